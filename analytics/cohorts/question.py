"""What a table of cohorts is asked, and which cohorts and periods it then has."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple, TypeAlias

from analytics.segments.expressions import ALL, Segments
from analytics.trends.buckets import key_of
from analytics.zones import Zone

Unit: TypeAlias = Literal["day", "week", "month"]
CohortOf: TypeAlias = Literal["first_ever", "first_in_range", "active"]
Mode: TypeAlias = Literal["on", "on_or_after"]
UNITS: tuple[Unit, ...] = ("day", "week", "month")
COHORTS: tuple[CohortOf, ...] = ("first_ever", "first_in_range", "active")
MODES: tuple[Mode, ...] = ("on", "on_or_after")
# The periods in which a user came are one number of 64 bits, with a bit for the cohort's own.
MAX_PERIODS = 63
_EPOCH = date(1970, 1, 1)
_MONDAY = date(1969, 12, 29)


class Span(NamedTuple):
    """A day, a week from Monday or a month of the zone: its number since 1970, and its days."""

    number: int
    first: date
    last: date

    def has_begun(self, today: date) -> bool:
        return self.first <= today

    def has_ended(self, today: date) -> bool:
        return self.last < today


@dataclass(frozen=True)
class Question:
    """What a table of cohorts is asked.

    A cohort is of the users with an event of `starting` in it: their first ever (`first_ever`),
    their first from `start` on (`first_in_range`), or any (`active`). They came again with an event
    of `returning`. `segments` are of all events. There are `periods` after the cohort's own, at
    most MAX_PERIODS. `today` is the present day in the zone.
    """

    project: int
    zone: Zone
    start: date
    end: date
    today: date
    unit: Unit = "day"
    cohort: CohortOf = "first_ever"
    mode: Mode = "on"
    periods: int = 12
    segments: Segments = ALL
    starting: Segments = ALL
    returning: Segments = ALL
    deadline: float = float("inf")

    def cohorts(self) -> range:
        """The numbers of the cohorts: none before `start` begins, after `end`, or after today."""
        first = key_of(self.unit, self.start)
        if span(self.unit, first).first < self.start:
            first += 1
        return range(first, key_of(self.unit, min(self.end, self.today)) + 1)


def span(unit: Unit, number: int) -> Span:
    return Span(number, _first(unit, number), _first(unit, number + 1) - timedelta(days=1))


def _first(unit: Unit, number: int) -> date:
    if unit == "month":
        return date(number // 12, number % 12 + 1, 1)
    if unit == "week":
        return _MONDAY + timedelta(weeks=number)
    return _EPOCH + timedelta(days=number)
