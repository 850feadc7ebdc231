"""Buckets: the hours, days, weeks or months of a range, each with its bounds in a time zone.

ClickHouse tells each event's bucket by a number, the `key`: for hours the second in which it
begins, since 1970 in UTC; for days, weeks and months how many there were before it since 1970.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from analytics.zones import start_of

Unit: TypeAlias = Literal["hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
MOST = 10_000
_HOUR = 3600
_EPOCH = date(1970, 1, 1)
# SQL for the key of a day's bucket, and of an hour's. An hour begins where the clock of the zone
# shows a full one, or where that clock was changed; `breaks` are the seconds from which each of the
# `offsets` holds.
KEYS: dict[Unit, str] = {
    "day": "toUInt16({day})",
    "week": "intDiv(toUInt32(toUInt16({day})) + 3, 7)",
    "month": "toYear({day}) * 12 + toMonth({day}) - 1",
    "hour": (
        "(toInt64(toUnixTimestamp(occurred_at)) AS second,"
        " arrayLastIndex(it -> it <= second, {breaks:Array(Int64)}) AS span,"
        " greatest(second - positiveModulo(second + {offsets:Array(Int32)}[span], 3600),"
        " {breaks:Array(Int64)}[span])).3"
    ),
}


class Bucket(NamedTuple):
    """`start` and `end` are shown: the first and the last day.

    For an hour they are the moments at which it begins and at which the next one begins, with their
    offsets. `is_whole` is false for a week or month that the range cuts. `until` is the moment at
    which it has ended.
    """

    key: int
    start: str
    end: str
    is_whole: bool
    until: datetime

    def is_complete(self, now: datetime) -> bool:
        return self.is_whole and self.until <= now


class TooMany(ValueError):
    """The range has more than MOST buckets."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(f"the range has more than {MOST:,} buckets of one {unit}; ask for fewer")


def buckets(unit: Unit, start: date, end: date, zone: str) -> list[Bucket]:
    """All buckets of the days from `start` to `end`, both included. Raises TooMany."""
    days = (end - start).days + 1
    fewest = {"hour": days * 23, "day": days, "week": days // 7, "month": days // 31}[unit]
    if fewest > MOST:
        raise TooMany(unit)
    found = list(_hours(start, end, zone) if unit == "hour" else _spans(unit, start, end, zone))
    if len(found) > MOST:
        raise TooMany(unit)
    return found


def _spans(unit: Unit, start: date, end: date, zone: str) -> Iterator[Bucket]:
    first = start
    while first <= end:
        begins, follows = _span(unit, first)
        last = min(end, follows - timedelta(days=1))
        is_whole = begins == first and last + timedelta(days=1) == follows
        until = start_of(last + timedelta(days=1), zone)
        yield Bucket(key_of(unit, first), first.isoformat(), last.isoformat(), is_whole, until)
        first = follows


def _span(unit: Unit, day: date) -> tuple[date, date]:
    """When the day, week or month of a day begins, and when the next one begins."""
    if unit == "day":
        return day, day + timedelta(days=1)
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    return day.replace(day=1), (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def key_of(unit: Unit, day: date) -> int:
    """The key of the bucket of a day; an hour has none."""
    if unit == "month":
        return day.year * 12 + day.month - 1
    days = (day - _EPOCH).days
    return days if unit == "day" else (days + 3) // 7


def _hours(start: date, end: date, zone: str) -> Iterator[Bucket]:
    tz = ZoneInfo(zone)
    for begins, follows in pairwise(_full_hours(start, end, zone)):
        first, last = (it.astimezone(tz).isoformat(timespec="minutes") for it in (begins, follows))
        yield Bucket(int(begins.timestamp()), first, last, is_whole=True, until=follows)


def _full_hours(start: date, end: date, zone: str) -> Iterator[datetime]:
    """When each hour begins, and when the last one ends."""
    until, moment = start_of(end + timedelta(days=1), zone), start_of(start, zone)
    for span in pairwise([*(at for at, _ in offsets(start, end, zone)), until]):
        moment, change = span
        while moment < change:
            yield moment
            passed = (int(moment.timestamp()) + _offset(moment, zone)) % _HOUR
            moment = min(change, moment + timedelta(seconds=_HOUR - passed))
    yield until


def offsets(start: date, end: date, zone: str) -> list[tuple[datetime, int]]:
    """The zone's offsets from UTC in seconds, each with the moment from which it holds."""
    moment, until = start_of(start, zone), start_of(end + timedelta(days=1), zone)
    found = [(moment, _offset(moment, zone))]
    while moment < until:
        following = min(until, moment + timedelta(days=1))
        if _offset(following, zone) != found[-1][1]:
            following = _change(moment, following, zone)
            if following < until:
                found.append((following, _offset(following, zone)))
        moment = following
    return found


def _change(before: datetime, after: datetime, zone: str) -> datetime:
    """The first moment, to the second, at which the offset is no longer that of `before`."""
    old = _offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(moment: datetime, zone: str) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def parameters(unit: Unit, start: date, end: date, zone: str) -> dict[str, Any]:
    """What the SQL of the keys needs."""
    if unit != "hour":
        return {}
    found: Sequence[tuple[datetime, int]] = offsets(start, end, zone)
    return {
        "breaks": [int(moment.timestamp()) for moment, _ in found],
        "offsets": [offset for _, offset in found],
    }
