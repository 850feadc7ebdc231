"""The table of cohorts by brute force with sets, to compare ClickHouse's answers with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from tests.analytics.comparison import SEGMENTS
from tests.analytics.oracle import Event, day, monday
from tests.analytics.said import Said, World

# A period is known by its first day. For each cohort: who came in each period, or None.
Table: TypeAlias = dict[date, list[set[str] | None]]
Segment: TypeAlias = str | Said


@dataclass(frozen=True)
class Asked:
    """What the table is asked; `segments` must all hold, and so must each of `start`."""

    unit: str
    cohort: str
    mode: str
    start: date
    end: date
    today: date
    periods: int
    zone: str
    segments: tuple[Segment, ...] = ()
    starting: tuple[Segment, ...] = ()
    returning: tuple[Segment, ...] = ()


def table(events: Sequence[Event], asked: Asked) -> Table:
    counted = _matching(events, asked, asked.segments)
    if asked.cohort == "first_in_range":
        counted = [event for event in counted if day(event, asked.zone) >= asked.start]
    started = _periods(_matching(events, asked, asked.starting, of=counted), asked)
    returned = _periods(_matching(events, asked, asked.returning, of=counted), asked)
    found: Table = {}
    for first in sorted({period for periods in started.values() for period in periods}):
        if asked.start <= first <= min(asked.end, asked.today):
            members = {user for user, periods in started.items() if _is_of(first, periods, asked)}
            if members:
                found[first] = [members, *_later(first, members, returned, asked)]
    return found


def _is_of(first: date, periods: set[date], asked: Asked) -> bool:
    return first in periods if asked.cohort == "active" else first == min(periods)


def _later(
    first: date, members: set[str], returned: dict[str, set[date]], asked: Asked
) -> list[set[str] | None]:
    rows: list[set[str] | None] = []
    for k in range(1, asked.periods + 1):
        period = after(asked.unit, first, k)
        if period > asked.today:
            rows.append(None)
            continue
        rows.append({user for user in members if _came(period, returned.get(user, set()), asked)})
    return rows


def _came(period: date, periods: set[date], asked: Asked) -> bool:
    if asked.mode == "on":
        return period in periods
    return any(period <= one <= asked.today for one in periods)


def _periods(events: Sequence[Event], asked: Asked) -> dict[str, set[date]]:
    found: dict[str, set[date]] = {}
    for event in events:
        period = first_day(asked.unit, day(event, asked.zone))
        found.setdefault(event["user_id"], set()).add(period)
    return found


def _matching(
    events: Sequence[Event],
    asked: Asked,
    segments: Sequence[Segment],
    *,
    of: Sequence[Event] | None = None,
) -> list[Event]:
    """Those `of` some, by default of all, that match; `did(…)` is about all events."""
    world = World(events, asked.end, asked.zone)

    def holds(segment: Segment, event: Event) -> bool:
        if isinstance(segment, Said):
            return segment.holds(event, world)
        return SEGMENTS[segment](event)

    some = events if of is None else of
    return [event for event in some if all(holds(it, event) for it in segments)]


def first_day(unit: str, of: date) -> date:
    if unit == "month":
        return of.replace(day=1)
    return monday(of) if unit == "week" else of


def after(unit: str, first: date, k: int) -> date:
    """The first day of the period that is the k-th after one."""
    for _ in range(k):
        if unit == "month":
            first = (first + timedelta(days=31)).replace(day=1)
        else:
            first += timedelta(days=7 if unit == "week" else 1)
    return first
