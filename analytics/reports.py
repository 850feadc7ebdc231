"""The reports: how many users came, what they did, whether they returned. All numbers are exact.

Days and weeks are those of a time zone. Weeks run Monday to Sunday and are numbered from
1969-12-29. A report in the zone of the rollups, whose segments ask only for event types and for
what a user did, reads rollups. Other reports read `events`.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

from analytics.asking import ask
from analytics.percent import percent
from analytics.queries import SEGMENTS, load, load_with
from analytics.segments.expressions import ALL, Segments
from analytics.segments.translating import Condition, Scope, condition
from analytics.zones import UTC, Zone, bounds

# The mask of a user's weeks has 128 bits. The pattern taken from the mask has 64: the cohort's week
# and MAX_WINDOWS weeks after it.
_MASK_WEEKS = 128
# For fewer weeks, events are read into masks of 64 bits, which take 0.8 of the CPU.
_NARROW_WEEKS = 64
MAX_WINDOWS = 63
_FIRST_MONDAY = date(1969, 12, 29)
# The columns that a rollup of each report has.
_IN_ROLLUPS = {
    "daily_active_users": {"event_type", "user_hash"},
    "top_events": {"event_type"},
    "retention": {"event_type", "user_hash"},
}
# What queries read of an event's time, and what takes its place where days are those of UTC. The
# index of the table is by occurred_at, which indexHint uses without reading it.
_DAY, _UTC_DAY = "toDate(occurred_at, {tz:String})", "utc_day"
_MOMENTS = (
    "occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}"
)
_UTC_DAYS = f"indexHint({_MOMENTS}) AND {_UTC_DAY} BETWEEN {{start:Date}} AND {{end:Date}}"
# Only where the bounds in UTC let in events of the days beside.
_ON_DAYS = "toDate32(occurred_at, {tz:String}) BETWEEN {start:Date} AND {end:Date}"


class DailyUsers(NamedTuple):
    """Users with a matching event on a day."""

    day: date
    unique_users: int


class EventCount(NamedTuple):
    """How many matching events of a type there were."""

    event_type: str
    events: int


class Cohort(NamedTuple):
    """Users first seen in the week of `monday`: how many, and the per cent that came k weeks later.

    `returned[0]` is for the first week after `monday`'s; None if that week has not begun.
    """

    monday: date
    size: int
    returned: list[float | None]


def daily_active_users(
    *, project: int, zone: Zone, start: date, end: date, segments: Segments = ALL
) -> list[DailyUsers]:
    """Every day from `start` to `end`, both included, oldest first; 0 where nobody came."""
    days = {"start": start, "end": end, **bounds(start, end, zone.name)}
    rows = _ask("daily_active_users", project, zone, segments, end, days)
    # By the day's number, which takes half the time of looking up dates.
    users = {date.fromisoformat(day).toordinal(): int(count) for day, count in rows}
    asked = range(start.toordinal(), end.toordinal() + 1)
    return [DailyUsers(date.fromordinal(day), users.get(day, 0)) for day in asked]


def top_events(
    *,
    project: int,
    zone: Zone,
    start: date,
    end: date,
    limit: int,
    segments: Segments = ALL,
) -> list[EventCount]:
    """The `limit` most frequent event types, most frequent first; equal counts by name."""
    days = {"start": start, "end": end, **bounds(start, end, zone.name)}
    rows = _ask("top_events", project, zone, segments, end, {**days, "limit": limit})
    return [EventCount(event_type, int(count)) for event_type, count in rows if count]


def retention(
    *,
    project: int,
    zone: Zone,
    start: date,
    windows: int,
    today: date,
    segments: Segments = ALL,
) -> list[Cohort]:
    """Weekly cohorts from the first week that begins on or after `start` to the week of `today`.

    A user's cohort is the week of their first matching event in the whole history. Cohorts
    without users are left out. Percentages are rounded half up to one decimal. `windows` is the
    number of weeks to look at after the cohort's own, at most MAX_WINDOWS. `today` is the present
    day in the zone.
    """
    last, pattern = _week(today), 2 ** (windows + 1) - 1
    counts: dict[int, dict[int, int]] = {}
    # One query covers as many cohorts as fit into the mask together with their windows.
    for first in range(_week(start + timedelta(days=6)), last + 1, _MASK_WEEKS - windows):
        until = min(last, first + _MASK_WEEKS - windows - 1)
        weeks = {"first": first, "last": until, "pattern": pattern, **_epochs(first)}
        rows = _ask("retention", project, zone, segments, today, weeks)
        for cohort, week_after, users in rows:
            counts.setdefault(int(cohort), {})[int(week_after)] = int(users)
    return [_cohort(week, counts[week], windows, last) for week in sorted(counts)]


def _cohort(week: int, users: dict[int, int], windows: int, present: int) -> Cohort:
    size = users[0]
    returned = [
        percent(users.get(k, 0), size) if week + k <= present else None
        for k in range(1, windows + 1)
    ]
    return Cohort(_FIRST_MONDAY + timedelta(weeks=week), size, returned)


def _epochs(first: int) -> dict[str, int]:
    """From which epochs a mask that begins with week `first` has its weeks, and how far shifted.

    A mask that is one whole epoch has none of the next. It must not be shifted by all its bits, so
    it then gets the same epoch twice, of which only the first counts.
    """
    epoch, before = divmod(first, _MASK_WEEKS)
    after = -first % _MASK_WEEKS
    next_epoch = epoch + 1 if before else epoch
    return {"epoch": epoch, "before": before, "next_epoch": next_epoch, "after": after}


def _week(day: date) -> int:
    return (day - _FIRST_MONDAY).days // 7


def _ask(
    name: str,
    project: int,
    zone: Zone,
    segments: Segments,
    last: date,
    parameters: dict[str, Any],
) -> list[list[Any]]:
    """Rows of the report's query, from the cheapest table that has the days and the fields.

    `last` is the last day of the report, with which the windows of segments end.
    """
    scope = Scope(zone.name, last, zone.is_rolled_up)
    where = condition(segments, scope)
    is_narrow = name == "retention" and _fits_narrow(**parameters)
    sql = _sql(name, scope, segments, where, is_narrow=is_narrow)
    return ask(
        name,
        sql,
        project=project,
        parameters={"tz": zone.name, **parameters, **where.parameters},
    )


def _fits_narrow(*, first: int, last: int, pattern: int, **_epochs: int) -> bool:
    """Whether all weeks that the report looks at fit into the smaller mask."""
    return last - first + pattern.bit_length() <= _NARROW_WEEKS


def _sql(
    name: str, scope: Scope, segments: Segments, where: Condition, *, is_narrow: bool = False
) -> str:
    if where.columns - _IN_ROLLUPS[name] or not scope.is_rolled_up:
        return _raw(name, scope, where, is_narrow)
    if not segments:
        return load(name)
    return load_with(_rollup(name, segments, where), condition=where.sql)


def _raw(name: str, scope: Scope, where: Condition, is_narrow: bool) -> str:
    """The query as its file has it reads moments, into the large mask, and is right for all."""
    sql, all_of = load(f"{name}_raw"), where.sql
    if is_narrow:
        sql = sql.replace("toUInt128(", "toUInt64(").replace("127", f"{_NARROW_WEEKS - 1}")
    if scope.zone == UTC:
        sql = sql.replace(_MOMENTS, _UTC_DAYS).replace(_DAY, _UTC_DAY)
    elif name == "top_events":
        all_of = f"{all_of} AND {_ON_DAYS}"
    return sql.replace(SEGMENTS, f"{all_of} AND")


def _rollup(name: str, segments: Segments, where: Condition) -> str:
    if name == "top_events" or "event_type" not in where.columns:
        return name
    if name == "daily_active_users" and not segments.have_one_type():
        return "daily_active_users_by_types"
    return f"{name}_by_type"
