"""A measure over time: by series, by the values of a field, and compared."""

from typing import Any

from django.http import HttpRequest, QueryDict

from analytics.api.reports import trends
from analytics.trends.buckets import UNITS
from dashboard import numbers
from dashboard.charts.lines import Line, Point, chart
from dashboard.completing import completed
from dashboard.files import csv
from dashboard.pages import Filled, Page, Panel
from dashboard.periods import before, label_of, title_of, unfair, unit_of, value_of
from dashboard.screens.people import people_link
from dashboard.state import State, answer_of, chosen_query_of

MEASURES = (
    ("users", "Users"),
    ("events", "Events"),
    ("new_users", "New users"),
    ("users_7d", "Users of 7 days"),
    ("users_30d", "Users of 30 days"),
)
# Of so many lines a chart can still be read.
_MOST_LINES = 6
_MOST_POINTS = 400
# Points of each unit a day.
_A_DAY = {"hour": 24, "day": 1, "week": 1 / 7, "month": 1 / 30}


def _form(request: HttpRequest, state: State) -> Filled:
    given = state.given
    return {
        "measures": MEASURES,
        "units": UNITS,
        "measure": given.get("measure", "users"),
        "unit": _unit(state),
        "by": given.get("by", ""),
        "is_known_measure": given.get("measure", "users") in dict(MEASURES),
        "series": given.getlist("series"),
        "compare": given.get("compare", ""),
        **completed(request, state, "segment", "field"),
    }


def _unit(state: State) -> str:
    """The chosen unit, or a longer one if a line would have too many points."""
    chosen = state.given.get("unit") or unit_of(state)
    if chosen not in UNITS:
        return chosen
    longer = UNITS[UNITS.index(chosen) :]
    return next((it for it in longer if state.days * _A_DAY[it] <= _MOST_POINTS), longer[-1])


def _query(state: State) -> QueryDict:
    query = chosen_query_of(state, trends.REPORT)
    query["unit"] = _unit(state)
    return query


def _trend(request: HttpRequest, state: State) -> Filled:
    query = _query(state)
    answer = answer_of(request, trends.REPORT, query)
    lines = [_line(state, it, query, tone) for tone, it in enumerate(_of(answer), start=1)]
    if not lines:
        return {"chart": {"is_empty": True}}
    return {
        "chart": chart([*lines[:_MOST_LINES], *_before(answer, lines)]),
        "totals": _totals(state, answer, lines, query),
        "cut": _cut(lines),
        "is_compared": "compare" in answer,
        "unfair": unfair(state) if "compare" in answer else "",
        "names": [line.name for line in lines],
        "rows": _rows(lines),
        "heading": _heading(query),
        "files": [csv("/stats/trends", query)],
    }


def _cut(lines: list[Line]) -> str:
    """What the chart leaves out; empty if it shows every line."""
    if len(lines) <= _MOST_LINES:
        return ""
    return f"The chart shows the first {_MOST_LINES} of {len(lines)} lines only."


def _before(answer: dict[str, Any], lines: list[Line]) -> list[Line]:
    """Of the first line alone: twice as many lines could not be read."""
    return [
        line._replace(name=f"{lines[0].name}, period before") if len(lines) > 1 else line
        for line in before(answer, lines[0])
    ]


def _totals(
    state: State, answer: dict[str, Any], lines: list[Line], query: Any
) -> list[tuple[str, str, str, str, str, numbers.Change]]:
    """Of each line: its name and its sign in the chart, its total, the people of it, the total
    before, and how it has changed.
    """
    earlier = {_key(it): it["total"] for it in _of(answer.get("compare", {"series": []}))}
    return [
        (
            line.name,
            f"tone-{line.tone}" if line.tone <= _MOST_LINES else "undrawn",
            numbers.whole(found["total"]),
            _people(state, found, query),
            numbers.whole(earlier.get(_key(found))),
            numbers.change(found["total"], earlier.get(_key(found))),
        )
        for line, found in zip(lines, _of(answer), strict=True)
    ]


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["series"], line.get("value"), line.get("is_other", False)


def _heading(query: Any) -> str:
    """Of a file, which has no form beside it."""
    by = f", {query['by']}" if query.get("by") else ""
    return f"{_measure(query)} by {query['unit']}{by}"


def _measure(query: Any) -> str:
    measure: str = query.get("measure", "users")
    return dict(MEASURES).get(measure, measure)


def _of(period: dict[str, Any]) -> list[dict[str, Any]]:
    other = [{**period["other"], "is_other": True}] if "other" in period else []
    return [*period["series"], *other]


def _name(line: dict[str, Any], query: Any) -> str:
    if line.get("is_other"):
        return "All other values"
    series = line["series"] or ""
    if not query.get("by"):
        return series or _measure(query)
    value = "Not set" if line["value"] is None else str(line["value"] or "(empty)")
    return f"{series} · {value}" if series else value


def _line(state: State, line: dict[str, Any], query: Any, tone: int) -> Line:
    points = [
        Point(
            label_of(point["start"], query["unit"], state),
            title_of(point["start"], point["end"]),
            value_of(point, state),
            _people(state, line, query, at=point["start"]),
            point["complete"],
        )
        for point in line["points"]
    ]
    return Line(_name(line, query), points, tone)


def _people(state: State, line: dict[str, Any], query: Any, **number: Any) -> str:
    if line.get("series"):
        query = query.copy()
        query["series"] = line["series"]
    if query.get("by"):
        if line.get("is_other"):
            number["line"] = "other"
        elif line["value"] is None:
            number["line"] = "unset"
        else:
            number["value"] = line["value"]
    return people_link(state, "trends", query, **number)


def _rows(lines: list[Line]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (
            point.title,
            [(numbers.whole(line.points[n].value), line.points[n].link) for line in lines],
        )
        for n, point in enumerate(lines[0].points)
    ]


PAGE = Page(
    "trends",
    "Trends",
    "trends",
    panels=(Panel("trend", "Trend", _trend, drawing="lines"),),
    fill=_form,
    has_views=True,
    asks=_query,
)
