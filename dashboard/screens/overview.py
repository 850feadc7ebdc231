"""The first page: how many people came, what they did, and how that is to the period before."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest

from analytics.api.reports import top_events, trends
from dashboard import numbers
from dashboard.charts.bars import bars
from dashboard.charts.lines import Line, Point, chart
from dashboard.completing import completed
from dashboard.files import csv
from dashboard.pages import Filled, Page, Panel
from dashboard.periods import before, label_of, title_of, unfair, unit_of, value_of
from dashboard.screens.people import people_link
from dashboard.screens.welcome import FIRST, is_empty, welcome
from dashboard.state import State, answer_of, query_of

_TYPES = 8
_FIRST_DAY = date(1970, 1, 1)


def _headline(request: HttpRequest, state: State) -> Filled:
    unit = unit_of(state)
    found = {name: _measured(request, state, name, unit) for name in ("users", "events")}
    query, users = found["users"]
    if not _total(users) and not state.segments and _is_new(request, state):
        return welcome(request, state)
    line = Line("Users", _points(state, users, query))
    return {
        "heading": "Users",
        "files": [
            csv("/stats/trends", asked, f"{name.capitalize()} as CSV")
            for name, (asked, _) in found.items()
        ],
        "tiles": [_tile(state, name.capitalize(), *it) for name, it in found.items()],
        "chart": chart([*before(users, line), line]),
        "unfair": unfair(state) if "compare" in users else "",
        "table": [(it.title, numbers.whole(it.value), it.link) for it in line.points],
    }


def _is_new(request: HttpRequest, state: State) -> bool:
    """Whether the reader should be told how to send the first event."""
    if state.is_shared or state.is_on_a_dashboard:
        return False
    return is_empty(request.project)  # type: ignore[attr-defined]


def _measured(
    request: HttpRequest, state: State, measure: str, unit: str
) -> tuple[Any, dict[str, Any]]:
    """The query and the answer, with the period before if there are such days."""
    compared = {"compare": "previous"} if _before(state) else {}
    query = query_of(state, trends.REPORT, measure=measure, unit=unit, **compared)
    return query, answer_of(request, trends.REPORT, query)


def _total(period: dict[str, Any]) -> Any:
    return period["series"][0]["total"]


def _totals(answer: dict[str, Any]) -> tuple[Any, Any]:
    """Of the range, and of the period before if there is one."""
    return _total(answer), _total(answer["compare"]) if "compare" in answer else None


def _points(state: State, period: dict[str, Any], query: Any) -> list[Point]:
    [line] = period["series"]
    return [
        Point(
            label_of(point["start"], query["unit"], state),
            title_of(point["start"], point["end"]),
            value_of(point, state),
            people_link(state, "trends", query, at=point["start"]),
            point["complete"],
        )
        for point in line["points"]
    ]


def _tile(state: State, name: str, query: Any, answer: dict[str, Any]) -> dict[str, Any]:
    now, earlier = _totals(answer)
    return {
        "name": name,
        "value": numbers.short(now),
        "exact": numbers.whole(now),
        "change": numbers.change(now, earlier),
        "before": numbers.short(earlier) if earlier else "",
        "link": people_link(state, "trends", query),
    }


def _before(state: State) -> State | None:
    """The days before, as many; None if some of them are before all days that reports know."""
    if (state.start - _FIRST_DAY).days < state.days:
        return None
    shift = timedelta(days=state.days)
    return state._replace(start=state.start - shift, end=state.end - shift)


def _types(request: HttpRequest, state: State) -> Filled:
    query = query_of(state, top_events.REPORT, limit=_TYPES)
    one_more = query_of(state, top_events.REPORT, limit=_TYPES + 1)
    now = answer_of(request, top_events.REPORT, one_more)
    earlier = _types_before(request, state)
    rows = [
        (
            row["event_type"],
            row["count"],
            people_link(state, "top-events", query, event_type=row["event_type"]),
            numbers.change(row["count"], earlier.get(row["event_type"])),
        )
        for row in now[:_TYPES]
    ]
    return {
        "bars": bars(rows),
        "files": [csv("/stats/top-events", query)] if rows else [],
        "most": _TYPES if len(now) > _TYPES else 0,
        "more": "" if state.is_shared else _all_types(state),
    }


def _all_types(state: State) -> str:
    return state.link("/dashboard/trends", measure="events", by="event_type")


def _types_before(request: HttpRequest, state: State) -> dict[str, int]:
    earlier = _before(state)
    if not earlier:
        return {}
    query = query_of(earlier, top_events.REPORT, limit=top_events.MAX_LIMIT)
    return {row["event_type"]: row["count"] for row in answer_of(request, top_events.REPORT, query)}


def _newcomers(request: HttpRequest, state: State) -> Filled:
    """New are those whose first event ever is on these days; of a filter, the first it matches."""
    # Only the totals are shown. Long units are the cheapest, but for users, whose days are counted.
    query, new_users = _measured(request, state, "new_users", "month")
    asked, users = _measured(request, state, "users", unit_of(state))
    new, new_before = _totals(new_users)
    all_, all_before = _totals(users)
    returning_before = None if all_before is None else all_before - new_before
    rows = [
        ("New", new, people_link(state, "trends", query), numbers.change(new, new_before)),
        ("Returning", all_ - new, "", numbers.change(all_ - new, returning_before)),
    ]
    return {
        "bars": bars(rows),
        "users": numbers.whole(all_),
        "share": numbers.percent(new / all_ * 100) if all_ else "",
        "link": people_link(state, "trends", asked),
        "files": [csv("/stats/trends", query, "New users as CSV")],
        "is_filtered": bool(state.segments),
    }


PAGE = Page(
    "overview",
    "Overview",
    "",
    panels=(
        Panel("headline", "Users", _headline, is_wide=True, drawing="lines"),
        Panel("types", "Top events", _types, drawing="bars"),
        Panel("newcomers", "New and returning", _newcomers, drawing="bars"),
    ),
    parts=(FIRST,),
    fill=lambda request, state: completed(request, state, "segment"),
    has_views=True,
    asks=lambda state: query_of(state, trends.REPORT),
)
