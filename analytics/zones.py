"""Time zones: which names are accepted, and where their days begin and end."""

from collections.abc import Callable
from datetime import UTC as _UTC
from datetime import date, datetime, timedelta
from functools import cache
from importlib import metadata
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings

from analytics import clickhouse
from analytics.queries import load

UTC = "UTC"
# ClickHouse divides events into days, by its own copy of the time zone database. Python computes
# the bounds of what to read, by another copy. Where the copies differ, it is by less than a day.
_MARGIN = timedelta(days=1)
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=_UTC)
# The day of the first events in zones west of Greenwich, and as what ClickHouse's Date stores it.
LAST_OF_1969 = date(1969, 12, 31)
BEFORE_FIRST = date(2149, 6, 6)


class Zone(NamedTuple):
    """The zone whose days a report has, and a function that says whose days the rollups have.

    The function returns None if nobody can say now. A report calls it before each of its queries,
    because the answer holds only for a moment.
    """

    name: str
    of_rollups: Callable[[], str | None] = lambda: None

    @property
    def is_rolled_up(self) -> bool:
        return self.of_rollups() == self.name

    def today(self) -> date:
        return datetime.now(ZoneInfo(self.name)).date()


def checked(name: str) -> str:
    """The name, if both Python and ClickHouse have such a zone.

    Raises ValueError otherwise, and ClickHouseError if ClickHouse can't say which zones it has.
    """
    if name != UTC and name not in _names(settings.CLICKHOUSE_URL):
        raise ValueError("is no time zone; write it like Europe/Kyiv")
    return name


@cache
def _names(_: str) -> frozenset[str]:
    """The names of the server with this address; a process asks for them once.

    Somebody waits with a form, so a server that hangs fails within seconds.
    """
    clickhouse.ping()
    rows = clickhouse.query_server(load("time_zones"))
    return frozenset(name for (name,) in rows) & available_timezones()


def in_zone(sql: str, zone: str) -> str:
    """SQL of the schema with days of the zone; a name that was checked is safe in it."""
    return sql.replace("/*zone*/", "" if zone == UTC else f", '{zone}'")


def versions() -> str:
    """The versions of the database of zones that ClickHouse and Python have.

    Raises ClickHouseError.
    """
    rows = clickhouse.query_server(load("time_zones_version"))
    return f"ClickHouse {rows[0][0] if rows else 'unknown'}, zoneinfo {metadata.version('tzdata')}"


def start_of(day: date, zone: str) -> datetime:
    """The first moment of a day of the zone, in UTC, as Python's copy of the zones has it.

    Where the clock skips midnight, this is the moment of the skip. Where it shows midnight twice,
    ClickHouse begins the day the second time if the day before was back in between.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    first, second = (midnight.replace(fold=fold).astimezone(_UTC) for fold in (0, 1))
    if second > first and day_of(second - timedelta(seconds=1), zone) < day:
        return second
    return first


def day_of(moment: datetime, zone: str) -> date:
    """The day of the zone on which the moment is, as Python's copy of the zones has it."""
    return moment.astimezone(ZoneInfo(zone)).date()


def stored_day(day: date) -> date:
    """As what ClickHouse's Date stores a day on which an event can be."""
    return BEFORE_FIRST if day == LAST_OF_1969 else day


def read_day(text: str) -> date:
    """The day that ClickHouse's Date stands for."""
    day = date.fromisoformat(text)
    return LAST_OF_1969 if day == BEFORE_FIRST else day


def bounds(start: date, end: date, zone: str) -> dict[str, str]:
    """Parameters `since` and `until`: between them are all events from `start` to `end`.

    Both days are included. In any zone but UTC, events of the days beside them are there too.
    """
    margin = timedelta(0) if zone == UTC else _MARGIN
    # No event is older than the first moment.
    since = max(_FIRST_MOMENT, start_of(start, zone) - margin)
    until = start_of(end + timedelta(days=1), zone) + margin
    return {"since": _text(since), "until": _text(until)}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
