"""Where a trend reads: the cheapest table that has the days of its zone and its fields."""

from datetime import date
from typing import Any, NamedTuple

from analytics.queries import Query
from analytics.segments.translating import Condition, Scope
from analytics.zones import UTC, bounds

# A range begins on it at the earliest. The days before a range may reach 1969-12-31, on which zones
# west of Greenwich have their first events.
FIRST_DAY = date(1970, 1, 1)
_DAYS = "day BETWEEN {{{start}:Date}} AND {{{end}:Date}}"
_MOMENTS = (
    "occurred_at >= {{{since}:DateTime64(3, 'UTC')}}"
    " AND occurred_at < {{{until}:DateTime64(3, 'UTC')}}"
)


class Source(NamedTuple):
    """SQL of a table: its name, the day of a row, and how many events and users rows count for."""

    table: str
    day: str
    events: str

    @property
    def is_rollup(self) -> bool:
        return self.table != "events"

    @property
    def is_of_users(self) -> bool:
        return self.table == "daily_users"


RAW = Source("events", "toDate(occurred_at, {tz:String})", "count()")
_EVENTS = Source("daily_events", "day", "sum(events)")
_USERS = Source("daily_users", "day", "")
FIRSTS = Source("users", RAW.day, "")
_USERS_BY_TYPE = Source("daily_users_by_type", "day", "")


def source_of(
    scope: Scope, where: Condition, *, is_of_days: bool, counts_users: bool, columns: set[str]
) -> Source:
    """The table for a question: whether it is of days, and of users or else of events.

    `columns` are what it reads besides those of its condition.
    """
    read = where.columns | columns
    if not is_of_days or not scope.is_rolled_up or read - {"event_type", "user_hash"}:
        return RAW
    if counts_users:
        return _USERS_BY_TYPE if "event_type" in read else _USERS
    return RAW if "user_hash" in read else _EVENTS


def range_of(source: Source, zone: str, *, prefix: str = "") -> str:
    """SQL for the days of a range, whose parameters `range_parameters` gives."""
    days = _DAYS.format(start=f"{prefix}start", end=f"{prefix}end")
    if source.is_rollup and source != FIRSTS:
        return days
    moments = _MOMENTS.format(since=f"{prefix}since", until=f"{prefix}until")
    if zone == UTC:
        return moments
    # The bounds in UTC let in events of the days beside. A Date would take 1969-12-31 for a day of
    # 2149, and ClickHouse would then skip parts that begin on it.
    return f"{moments} AND {days.replace('day', 'toDate32(occurred_at, {tz:String})', 1)}"


def days_of(source: Source, start: date, end: date, zone: str, *, prefix: str = "") -> Query:
    """SQL for some days, which may begin before FIRST_DAY."""
    is_from_first = start < FIRST_DAY
    sql = (until_of if is_from_first else range_of)(source, zone, prefix=prefix)
    return Query(sql, range_parameters(max(FIRST_DAY, start), end, zone, prefix=prefix))


def until_of(source: Source, zone: str, *, prefix: str = "") -> str:
    """SQL for all days until the last one of a range, whose parameters `range_parameters` gives.

    The first day of all is 1969-12-31 west of Greenwich, which is day 65535 in rollups.
    """
    end = f"{{{prefix}end:Date}}"
    if source.is_rollup:
        return f"(day <= {end} OR day = toDate(65535))"
    until = f"occurred_at < {{{prefix}until:DateTime64(3, 'UTC')}}"
    return until if zone == UTC else f"{until} AND toDate32(occurred_at, {{tz:String}}) <= {end}"


def range_parameters(start: date, end: date, zone: str, *, prefix: str = "") -> dict[str, Any]:
    given = {"start": start, "end": end, **bounds(start, end, zone)}
    return {f"{prefix}{name}": value for name, value in given.items()}
