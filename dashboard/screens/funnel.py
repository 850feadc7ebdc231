"""How many people went through some steps, and where they stopped."""

from typing import Any

from django.http import HttpRequest, QueryDict

from analytics.api.reports import funnel, top_events
from analytics.api.reports.funnel import step_of
from analytics.discovery.typed import written
from analytics.funnels.question import ORDERS
from analytics.segments.expressions import Field
from dashboard import numbers
from dashboard.completing import completed
from dashboard.files import csv
from dashboard.pages import Filled, Page, Panel
from dashboard.screens.people import people_link
from dashboard.state import Choice, State, answer_of, chosen_query_of, query_of

WINDOWS = (("1h", "1 hour"), ("1d", "1 day"), ("7d", "7 days"), ("30d", "30 days"))
_WINDOW = "7d"
_FEWEST_FIELDS = 3
_TYPE, _EVENT_TYPE = "event_type:", Field("event_type")
# The most frequent events, of which the page suggests funnels.
_SUGGESTED = 5


def _steps(state: State) -> list[str]:
    return [text for text in state.given.getlist("step") if text]


def _form(request: HttpRequest, state: State) -> Filled:
    given, steps = state.given, _steps(state)
    empty = [""] * max(1, _FEWEST_FIELDS - len(steps))
    return {
        "steps": [*steps, *empty][: max(len(steps), 10)],
        "windows": WINDOWS,
        "orders": ORDERS,
        "window": given.get("window") or _WINDOW,
        "order": given.get("order", "ordered"),
        "by": given.get("by", ""),
        "is_asked": len(steps) > 1,
        **completed(request, state, "step", "segment", "field"),
    }


def _query(state: State) -> QueryDict:
    query = chosen_query_of(state, funnel.REPORT, step=_steps(state))
    query.setdefault("window", _WINDOW)
    return query


def _funnel(request: HttpRequest, state: State) -> Filled:
    steps = _steps(state)
    if len(steps) < 2:
        return {"is_asked": False, "suggested": _suggested(request, state, steps)}
    query = _query(state)
    answer = answer_of(request, funnel.REPORT, query)
    return {
        "is_asked": True,
        "complete": answer["complete"],
        "steps": [_step(state, it, answer["steps"], query) for it in answer["steps"]],
        "lines": _lines(state, answer, query),
        "numbers": range(1, len(steps) + 1),
        "files": [csv("/stats/funnel", query)],
    }


def _suggested(request: HttpRequest, state: State, steps: list[str]) -> list[Choice]:
    """Funnels from the most frequent event, or from the only step, to each of the next events."""
    if state.is_shared:
        return []
    query = query_of(state, top_events.REPORT, limit=_SUGGESTED)
    rows = answer_of(request, top_events.REPORT, query)
    types = [step_of([written("", _EVENT_TYPE, row["event_type"])]) for row in rows]
    first, *others = dict.fromkeys([*steps, *types]) or [""]
    return [
        Choice(
            f"{first.removeprefix(_TYPE)} \u2192 {other.removeprefix(_TYPE)}",
            state.link("/dashboard/funnel", step=[first, other]),
            False,
        )
        for other in others
    ]


def _step(
    state: State, step: dict[str, Any], all_steps: list[dict[str, Any]], query: Any
) -> dict[str, Any]:
    number = step["step"]
    before = all_steps[number - 2]["users"] if number > 1 else None
    dropped = before - step["users"] if before else None
    first, took = all_steps[0]["users"], step.get("median_seconds")
    return {
        "number": number,
        "name": _steps(state)[number - 1].removeprefix(_TYPE),
        "users": numbers.whole(step["users"]),
        "share": step["users"] / first * 100 if first else 0,
        "of_first": numbers.percent(step.get("of_first", 100.0 if first else None)),
        "of_previous": numbers.percent(step.get("of_previous")),
        "took": numbers.duration(took) if took is not None else "",
        "link": people_link(state, "funnel", query, reached=number),
        "dropped": None if dropped is None else numbers.whole(dropped),
        "dropped_link": people_link(state, "funnel", query, dropped=number),
    }


def _lines(
    state: State, answer: dict[str, Any], query: Any
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The name of each value, and its steps: users, their share, and the address of the people."""
    found: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    for line in answer.get("values", []):
        value = line["value"]
        name = "Not set" if value is None else value or "(empty)"
        found.append((name, line, {"line": "unset"} if value is None else {"value": value}))
    if "other" in answer:
        found.append(("All other values", answer["other"], {"line": "other"}))
    return [
        (name, [_short(state, it, query, of) for it in line["steps"]]) for name, line, of in found
    ]


def _short(
    state: State, step: dict[str, Any], query: Any, line: dict[str, str]
) -> tuple[str, str, str]:
    share = step.get("of_first")
    link = people_link(state, "funnel", query, reached=step["step"], **line)
    return numbers.whole(step["users"]), "" if share is None else numbers.percent(share), link


PAGE = Page(
    "funnel",
    "Funnel",
    "funnel",
    panels=(Panel("funnel", "Funnel", _funnel, drawing="funnel"),),
    fill=_form,
    has_views=True,
    asks=_query,
)
