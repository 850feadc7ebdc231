"""The first page: how many people came, what they did, and how that is to the period before."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest

from analytics.api.reports import cohorts, top_events, trends
from dashboard import numbers
from dashboard.charts.bars import bars
from dashboard.charts.lines import Line, Point, chart
from dashboard.pages import Filled, Page, Panel
from dashboard.people import people_link
from dashboard.state import State, answer_of, query_of

_DAYS_OF_A_WEEK_CHART, _DAYS_OF_A_MONTH_CHART = 120, 800
_TYPES = 8


def unit_of(state: State) -> str:
    """The unit in which a chart has at most some hundred points."""
    if state.days == 1:
        return "hour"
    if state.days <= _DAYS_OF_A_WEEK_CHART:
        return "day"
    return "week" if state.days <= _DAYS_OF_A_MONTH_CHART else "month"


def _headline(request: HttpRequest, state: State) -> Filled:
    found = {}
    for measure in ("users", "events"):
        query = query_of(
            state, trends.REPORT, measure=measure, unit=unit_of(state), compare="previous"
        )
        found[measure] = (query, answer_of(request, trends.REPORT, query))
    query, users = found["users"]
    lines = [
        Line("Period before", _points(users["compare"], "", query), tone=0),
        Line("Users", _points(users, "trends", query)),
    ]
    # The days of the period itself are below the chart.
    lines[0] = Line(lines[0].name, _under(lines[0].points, lines[1].points), tone=0)
    return {
        "tiles": [_tile(name.capitalize(), *it) for name, it in found.items()],
        "chart": chart(lines),
        "table": _table(users),
    }


def _points(period: dict[str, Any], report: str, query: Any) -> list[Point]:
    [line] = period["series"]
    return [
        Point(
            label_of(point["start"]),
            title_of(point["start"], point["end"]),
            point["value"],
            people_link(report, query, at=point["start"]) if report else "",
            point["complete"],
        )
        for point in line["points"]
    ]


def _under(before: Sequence[Point], now: Sequence[Point]) -> list[Point]:
    """The points before, in the places of those of now; there may be fewer of them."""
    values: list[Any] = [point.value for point in before][: len(now)]
    values += [None] * (len(now) - len(values))
    return [
        it._replace(value=value, is_complete=True) for it, value in zip(now, values, strict=True)
    ]


def label_of(start: str) -> str:
    if "T" in start:
        return start[11:16]
    return numbers.day(date.fromisoformat(start))


def title_of(start: str, end: str) -> str:
    if "T" in start:
        return f"{numbers.full_day(date.fromisoformat(start[:10]))}, {start[11:16]}"
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    shown = numbers.full_day(first)
    return shown if first == last else f"{numbers.day(first)} \u2013 {numbers.full_day(last)}"


def _tile(name: str, query: Any, answer: dict[str, Any]) -> dict[str, Any]:
    now, before = answer["series"][0]["total"], answer["compare"]["series"][0]["total"]
    return {
        "name": name,
        "value": numbers.short(now),
        "exact": numbers.whole(now),
        "change": numbers.change(now, before),
        "link": people_link("trends", query),
    }


def _table(answer: dict[str, Any]) -> list[tuple[str, str]]:
    points = answer["series"][0]["points"]
    return [(title_of(it["start"], it["end"]), numbers.whole(it["value"])) for it in points]


def _before(state: State) -> State:
    """The days before, as many."""
    shift = timedelta(days=state.days)
    return state._replace(start=max(date(1970, 1, 1), state.start - shift), end=state.end - shift)


def _types(request: HttpRequest, state: State) -> Filled:
    query = query_of(state, top_events.REPORT, limit=_TYPES)
    now = answer_of(request, top_events.REPORT, query)
    earlier = query_of(_before(state), top_events.REPORT, limit=top_events.MAX_LIMIT)
    before = {
        row["event_type"]: row["count"] for row in answer_of(request, top_events.REPORT, earlier)
    }
    rows = [
        (
            row["event_type"],
            row["count"],
            people_link("top-events", query, event_type=row["event_type"]),
            numbers.change(row["count"], before.get(row["event_type"])),
        )
        for row in now
    ]
    return {"bars": bars(rows)}


def _newcomers(request: HttpRequest, state: State) -> Filled:
    """New are those who came for the first time ever; all others have come before."""
    found = []
    for days in (state, _before(state)):
        query = query_of(days, cohorts.REPORT, periods=1)
        new = sum(row["users"] for row in answer_of(request, cohorts.REPORT, query)[:-1])
        all_query = query_of(days, trends.REPORT)
        users = answer_of(request, trends.REPORT, all_query)["series"][0]["total"]
        found.append((new, users - new))
    (new, returning), (new_before, returning_before) = found
    rows = [
        ("New", new, "", numbers.change(new, new_before)),
        ("Returning", returning, "", numbers.change(returning, returning_before)),
    ]
    return {"bars": bars(rows), "users": numbers.whole(new + returning)}


PAGE = Page(
    "overview",
    "Overview",
    "",
    panels=(
        Panel("headline", "Users", _headline, is_wide=True),
        Panel("types", "Top events", _types),
        Panel("newcomers", "New and returning", _newcomers),
    ),
)
