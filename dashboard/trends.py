"""A measure over time: by series, by the values of a field, and compared."""

from typing import Any

from django.http import HttpRequest

from analytics.api.reports import trends
from analytics.trends.buckets import UNITS
from dashboard import numbers
from dashboard.charts.lines import Line, Point, chart
from dashboard.overview import label_of, title_of, unit_of
from dashboard.pages import Filled, Page, Panel
from dashboard.people import people_link
from dashboard.state import State, answer_of, query_of

MEASURES = (
    ("users", "Users"),
    ("events", "Events"),
    ("users_7d", "Users of 7 days"),
    ("users_30d", "Users of 30 days"),
)
# Of so many lines a chart can still be read.
_MOST_LINES = 6


def _form(request: HttpRequest, state: State) -> Filled:
    given = state.given
    return {
        "measures": MEASURES,
        "units": UNITS,
        "measure": given.get("measure", "users"),
        "unit": given.get("unit") or unit_of(state),
        "by": given.get("by", ""),
        "segments": given.getlist("segment") or [""],
        "compare": given.get("compare", ""),
    }


def _trend(request: HttpRequest, state: State) -> Filled:
    query = query_of(state, trends.REPORT)
    for name in ("by", "compare", "measure"):
        if not query.get(name):
            query.pop(name, None)
    query.setlist("segment", [text for text in query.getlist("segment") if text])
    if not query.get("unit"):
        query["unit"] = unit_of(state)
    answer = answer_of(request, trends.REPORT, query)
    lines = [_line(line, query, number) for number, line in enumerate(_of(answer), start=1)]
    drawn = lines[:_MOST_LINES]
    if "compare" in answer:
        drawn += [_under(line, lines[0]) for line in _before(answer)[:1]]
    return {
        "chart": chart(drawn),
        "totals": [
            (line.name, line.tone, numbers.whole(found["total"]), _people(found, query, answer))
            for line, found in zip(lines, _of(answer), strict=True)
        ],
        "names": [line.name for line in lines],
        "rows": _rows(lines),
    }


def _of(period: dict[str, Any]) -> list[dict[str, Any]]:
    other = [{**period["other"], "is_other": True}] if "other" in period else []
    return [*period["series"], *other]


def _before(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return _of(answer["compare"])


def _name(line: dict[str, Any], by: str | None) -> str:
    if line.get("is_other"):
        return "All other values"
    if by:
        return "Not set" if line["value"] is None else str(line["value"] or "(empty)")
    return str(line["series"] or "All")


def _line(line: dict[str, Any], query: Any, tone: int) -> Line:
    points = [
        Point(
            label_of(point["start"]),
            title_of(point["start"], point["end"]),
            point["value"],
            _people(line, query, {}, at=point["start"]),
            point["complete"],
        )
        for point in line["points"]
    ]
    return Line(_name(line, query.get("by")), points, min(tone, _MOST_LINES))


def _under(line: dict[str, Any], now: Line) -> Line:
    values = [point["value"] for point in line["points"]][: len(now.points)]
    values += [None] * (len(now.points) - len(values))
    points = [
        it._replace(value=value, is_complete=True)
        for it, value in zip(now.points, values, strict=True)
    ]
    return Line("Period before", points, tone=0)


def _people(line: dict[str, Any], query: Any, _: Any, **number: Any) -> str:
    if query.get("by"):
        if line.get("is_other"):
            number["line"] = "other"
        elif line["value"] is None:
            number["line"] = "unset"
        else:
            number["value"] = line["value"]
    return people_link("trends", query, **number)


def _rows(lines: list[Line]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (
            point.title,
            [(numbers.whole(line.points[n].value), line.points[n].link) for line in lines],
        )
        for n, point in enumerate(lines[0].points)
    ]


PAGE = Page("trends", "Trends", "trends", panels=(Panel("trend", "Trend", _trend),), fill=_form)
