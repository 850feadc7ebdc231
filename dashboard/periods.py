"""The days, weeks and months of a chart: which of them, what they are called, and those before."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard import numbers
from dashboard.charts.lines import Line
from dashboard.state import State

# A chart of more days has weeks, and one of more than that has months.
_MOST_DAYS, _MOST_DAYS_IN_WEEKS = 120, 800


def unit_of(state: State) -> str:
    """The unit in which a chart has at most some hundred points."""
    if state.days == 1:
        return "hour"
    if state.days <= _MOST_DAYS:
        return "day"
    return "week" if state.days <= _MOST_DAYS_IN_WEEKS else "month"


def label_of(start: str, unit: str, state: State) -> str:
    """What stands below a bucket of this unit that begins there: with its year if there are two."""
    if "T" in start:
        return start[11:16]
    if unit == "month":
        return f"{date.fromisoformat(start):%b %Y}"
    return numbers.day(date.fromisoformat(start), has_year=state.start.year != state.end.year)


def title_of(start: str, end: str) -> str:
    if "T" in start:
        return f"{numbers.full_day(date.fromisoformat(start[:10]))}, {start[11:16]}"
    return numbers.period(date.fromisoformat(start), date.fromisoformat(end))


def value_of(point: dict[str, Any], state: State) -> Any:
    """The value of a point of a trend; None if its bucket has not begun, where it says 0."""
    now = datetime.now(ZoneInfo(state.zone))
    start: str = point["start"]
    has_begun = (
        datetime.fromisoformat(start) <= now
        if "T" in start
        else date.fromisoformat(start) <= now.date()
    )
    return point["value"] if has_begun else None


def unfair(state: State) -> str:
    """What to know of a comparison with days before; empty if the days are over themselves."""
    if state.end < datetime.now(ZoneInfo(state.zone)).date():
        return ""
    if state.days == 1:
        return "This day is not over yet; the day before is."
    return "These days are not over yet; the period before is."


def before(answer: dict[str, Any], line: Line) -> list[Line]:
    """The first line of the period compared with, drawn under `line`; none if there is none.

    It has the places of `line`, and may have fewer points.
    """
    if "compare" not in answer:
        return []
    values: list[Any] = [it["value"] for it in answer["compare"]["series"][0]["points"]]
    values += [None] * len(line.points)
    points = [
        it._replace(value=value, is_complete=True)
        for it, value in zip(line.points, values, strict=False)
    ]
    return [Line("Period before", points, tone=0)]
