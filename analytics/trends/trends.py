"""The trend: a measure in each bucket of a range, by series and by values of a field."""

from datetime import date, timedelta
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from analytics.segments.expressions import Segments
from analytics.trends import asking
from analytics.trends.asking import UNSET, Found
from analytics.trends.buckets import Bucket, buckets
from analytics.trends.measures import ROLLING, Number
from analytics.trends.question import Question
from analytics.trends.sources import FIRST_DAY


class Point(NamedTuple):
    bucket: Bucket
    number: Number
    is_complete: bool


class Line(NamedTuple):
    """One line of the trend: a number for each bucket, and one for the range.

    `value` is that of the field; None is for events without a value. For the line of all other
    values, `is_other` is true.
    """

    series: str | None
    value: str | None
    is_other: bool
    total: Number
    points: list[Point]


class Period(NamedTuple):
    start: date
    end: date
    lines: list[Line]


class Trend(NamedTuple):
    main: Period
    compared: Period | None


def trend(question: Question) -> Trend:
    """Every bucket of the range, for every series. All numbers are exact.

    The first values of a field are those with the highest measure in the range; the period that it
    is compared with has the same values. Raises TooMany and ClickHouseError.
    """
    main, known = _period(question, question.start, question.end)
    if question.compare is None:
        return Trend(main, None)
    return Trend(main, _period(question, *compared(question), known)[0])


def compared(question: Question) -> tuple[date, date]:
    """The period that the range is compared with.

    If the range is running, both end on the same day. Raises BeforeAllEvents.
    """
    start = question.start
    today = question.now.astimezone(ZoneInfo(question.zone.name)).date()
    end = min(question.end, max(start, today))
    if question.compare == "previous":
        shift = timedelta(days=(question.end - start).days + 1)
        before, until = start - shift, end - shift
    else:
        before, until = _a_year_before(start), _a_year_before(end)
    if before < FIRST_DAY:
        raise BeforeAllEvents
    return before, until


class BeforeAllEvents(ValueError):
    """The period to compare with begins before 1970."""

    def __init__(self) -> None:
        super().__init__("the period to compare with begins before 1970-01-01")


def _a_year_before(day: date) -> date:
    if (day.month, day.day) == (2, 29):
        return day.replace(year=day.year - 1, day=28)
    return day.replace(year=day.year - 1)


# The lines that were found for a series, by their places.
_Known: TypeAlias = dict[int, Found]


def _period(
    question: Question, start: date, end: date, known: list[_Known] | None = None
) -> tuple[Period, list[_Known]]:
    """The lines of a period, and what was found for each series.

    `known` is what was found in the main period: the lines are then those of the same values.
    """
    all_buckets = buckets(question.unit, start, end, question.zone.name)
    lines: list[Line] = []
    all_found: list[_Known] = []
    for place, (name, segments) in enumerate(question.series):
        both = Segments((*question.segments.groups, *segments.groups))
        main = known[place] if known else None
        marks = None if main is None else _marks(question, main)
        found = asking.line(question, both, start, end, marks=marks)
        if question.by is None:
            lines.append(_line(question, name, found.get(asking.WHOLE), all_buckets))
        else:
            lines += _by_value(question, name, found, all_buckets, main or found)
        all_found.append(found)
    return Period(start, end, lines), all_found


def _marks(question: Question, main: _Known) -> list[str]:
    return [main[place].mark for place in range(1, question.top + 1) if place in main]


def _by_value(
    question: Question,
    name: str | None,
    found: _Known,
    all_buckets: list[Bucket],
    main: _Known,
) -> list[Line]:
    """A line for each of the first values, for events without one, and for all other values."""
    others = question.top + 1
    lines = []
    for place in sorted({*main, *found}, key=lambda it: (it == others, it == UNSET, it)):
        line = _line(question, name, found.get(place), all_buckets)
        value = None if place in (UNSET, others) else main[place].value
        lines.append(line._replace(value=value, is_other=place == others))
    return lines


def _line(
    question: Question, name: str | None, found: Found | None, all_buckets: list[Bucket]
) -> Line:
    found = found or Found()
    nothing = question.measure.nothing
    key = _last_day if question.measure.name in ROLLING else _key
    points = [
        Point(one, found.numbers.get(key(one), nothing), one.is_complete(question.now))
        for one in all_buckets
    ]
    return Line(name, None, False, found.total or nothing, points)


def _key(bucket: Bucket) -> int:
    return bucket.key


def _last_day(bucket: Bucket) -> int:
    return (date.fromisoformat(bucket.end) - FIRST_DAY).days
