"""Verify: PostgreSQL against ClickHouse, day by day and id by id, while both go on taking events.

What is compared is which ids are where, on which day and how often; not the rest of an event. The
hot layer is compared with ClickHouse by day. Of older events PostgreSQL has the ids alone, in dedup
and without a day: they are compared with all of ClickHouse by bucket of their hash. Counts and
order-free hashes, which both engines compute, tell where to look; ids are listed there alone.

Lists of two stores are never of the same moment, so what they differ in is only suspected, and
looked up again, in the order in which events travel. Whatever PostgreSQL has committed is in the
outbox until ClickHouse has confirmed it: an id that was in PostgreSQL, then not in the outbox, then
not in ClickHouse, is missing. Whatever ClickHouse shows was committed before: an id that was in
ClickHouse, and then is not in PostgreSQL, is missing there.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from django.conf import settings

from analytics.maintenance import daily_counts
from analytics.maintenance import inventory as cold
from analytics.maintenance.inventory import Digest, Digests
from events.auditing import inventory
from events.models import Batch
from events.storing import hot

# Ids in memory at a time, of each side: some 50 MB.
_LISTED = 200_000
# Few enough ids that one event on its way makes few others be listed.
_BUCKET = 256
_MOST_BUCKETS = 2**16
_BUCKETS_AT_ONCE = 5_000
_EXAMPLES = 3
# Clocks of those who store may be behind ours: a day is compared until so long before it leaves
# the hot window.
_MARGIN = timedelta(minutes=5)


class Kind(StrEnum):
    """What can be wrong, in words that follow a number of events."""

    MISSING_COLD = "missing in ClickHouse"
    MISSING_HOT = "missing in the hot layer"
    UNKNOWN = "not in dedup"
    LOST = "lost, of which dedup alone has the id"
    DOUBLED_COLD = "doubled in ClickHouse"
    DOUBLED_HOT = "doubled in the hot layer"
    MOVED = "on another day in ClickHouse"
    ROLLUP = "event types miscounted in daily_events"


class Difference(NamedTuple):
    """Events of a day with the same thing wrong; a day may have several.

    `names` are ids, or event types where it is a rollup. `day` is None where nobody knows it.
    """

    kind: Kind
    day: date | None
    names: list[str]


@dataclass
class Tally:
    """How many, and some of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What was compared and what was found: events of each store, and differences by day and kind.

    `known` is None where dedup was not compared as a whole. `waiting` and `failed` are events in
    the outbox, which are no difference.
    """

    hot: int = 0
    cold: int = 0
    known: int | None = None
    waiting: int = 0
    failed: int = 0
    found: dict[tuple[date | None, Kind], Tally] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        return sum(tally.count for tally in self.found.values())

    def add(self, difference: Difference) -> None:
        tally = self.found.setdefault((difference.day, difference.kind), Tally())
        tally.count += len(difference.names)
        tally.examples += difference.names[: _EXAMPLES - len(tally.examples)]


def verify(
    *,
    start: date | None = None,
    end: date | None = None,
    act: Callable[[Difference], None] | None = None,
) -> Report:
    """Compare the stores, and hand every difference to `act` as soon as it is certain.

    Without days: the hot window by day, and all ids there are. With them, `start` and `end`
    included: the hot window's days among them, and whether dedup has ClickHouse's ids of them all;
    ids that are lost have no day and are not looked for. Nor are they where DEDUP_DAYS has old ids
    forgotten. Raises django.db.Error and ClickHouseError.
    """
    report = Report()
    for difference in _differences(report, start, end):
        report.add(difference)
        if act:
            act(difference)
    report.waiting = inventory.waiting(state=Batch.State.PENDING)
    report.failed = inventory.waiting(state=Batch.State.FAILED)
    return report


def _differences(report: Report, start: date | None, end: date | None) -> Iterator[Difference]:
    whole = start is None
    first = max(start or cold.FIRST_DAY, cold.FIRST_DAY)
    last = min(end or cold.LAST_DAY, cold.LAST_DAY)
    counts = cold.counts(start=first, end=last)
    report.cold = sum(counts.values())
    window = [day for day in _window() if first <= day <= last]
    for day in window:
        yield from _hot_day(day, report)
    if whole and not settings.DEDUP_DAYS:
        yield from _all_ids(report, kept_from=window[0])
    else:
        for day, count in counts.items():
            if not whole or day in window:
                yield from _cold_day(day, count)
    unlike = sorted(daily_counts.unlike(start=first, end=last))
    for day, keys in groupby(unlike, key=lambda key: key[0]):
        yield Difference(Kind.ROLLUP, day, [event_type for _, event_type in keys])


def _window() -> list[date]:
    """Days whose events the hot layer has to have."""
    now = datetime.now(UTC)
    first = hot.window_start(now + _MARGIN).date()
    last = now.date() + timedelta(days=hot.DAYS_AHEAD)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _hot_day(day: date, report: Report) -> Iterator[Difference]:
    """The hot layer's day against ClickHouse's."""
    here, there = inventory.hot_digests(day=day), cold.digests(start=day, end=day)
    report.hot += _total(here)
    if here == there:
        return
    if mask := _mask(max(_total(here), _total(there))):
        here = inventory.hot_digests(day=day, mask=mask)
        there = cold.digests(start=day, end=day, mask=mask)
    for buckets in _unlike(here, there):
        rows = inventory.hot_listed(day=day, mask=mask, buckets=buckets)
        held = cold.listed(start=day, end=day, mask=mask, buckets=buckets)
        yield from _if_any(Kind.DOUBLED_HOT, day, (i for i, n in rows.items() if n > 1))
        yield from _not_cold(day, rows.keys() - held.keys())
        yield from _not_hot(day, held.keys() - rows.keys())


def _not_cold(day: date, ids: Set[str]) -> Iterator[Difference]:
    """Of ids that the hot layer had and ClickHouse, on that day, seemed not to have."""
    ids = ids - inventory.in_outbox(ids=ids) if ids else ids
    places = cold.days(ids=ids)
    yield from _if_any(Kind.MOVED, day, (i for i, days in places.items() if day not in days))
    # One that was discarded meanwhile is in no store.
    missing = inventory.hot_days(ids=ids - places.keys()).keys()
    yield from _if_any(Kind.MISSING_COLD, day, missing)
    if not settings.DEDUP_DAYS:
        yield from _if_any(Kind.UNKNOWN, day, missing - inventory.known(ids=missing))


def _not_hot(day: date, ids: Set[str]) -> Iterator[Difference]:
    """Of ids that ClickHouse had and the hot layer seemed not to have."""
    missing = ids - inventory.hot_days(ids=ids).keys()
    if day in _window():
        yield from _if_any(Kind.MISSING_HOT, day, missing)


def _all_ids(report: Report, *, kept_from: date) -> Iterator[Difference]:
    """Dedup against the whole of ClickHouse; days since `kept_from` were compared already."""
    mask = _mask(max(report.cold, inventory.known_at_most()))
    # What ClickHouse shows was known before; what was known by then and not in it was on its way.
    before = inventory.clock()
    there = cold.digests(start=cold.FIRST_DAY, end=cold.LAST_DAY, mask=mask)
    here = inventory.known_digests(before=before, mask=mask)
    report.known = _total(here)
    for buckets in _unlike(here, there):
        known = inventory.known_listed(mask=mask, buckets=buckets)
        held = cold.listed(start=cold.FIRST_DAY, end=cold.LAST_DAY, mask=mask, buckets=buckets)
        yield from _doubled(held)
        yield from _unknown(held, held.keys() - known)
        yield from _nowhere(known - held.keys(), kept_from)


def _cold_day(day: date, count: int) -> Iterator[Difference]:
    """ClickHouse's ids of a day against dedup."""
    mask = _mask(count, bucket=_LISTED // 2)
    for bucket in range(mask + 1):
        held = cold.listed(start=day, end=day, mask=mask, buckets=[bucket])
        yield from _doubled(held)
        if not settings.DEDUP_DAYS:
            yield from _unknown(held, held.keys())


def _doubled(held: dict[str, cold.Held]) -> Iterator[Difference]:
    doubled = [event_id for event_id, (copies, _) in held.items() if copies > 1]
    yield from _by_day(Kind.DOUBLED_COLD, held, doubled)


def _unknown(held: dict[str, cold.Held], ids: Set[str]) -> Iterator[Difference]:
    """Of ids that ClickHouse had and dedup seemed not to have."""
    yield from _by_day(Kind.UNKNOWN, held, ids - inventory.known(ids=ids))


def _nowhere(ids: Set[str], kept_from: date) -> Iterator[Difference]:
    """Of ids that dedup had and ClickHouse seemed not to have."""
    ids = ids - inventory.in_outbox(ids=ids) if ids else ids
    gone = ids - cold.days(ids=ids).keys()
    kept = inventory.hot_days(ids=gone)
    # Still in the hot layer, though it has left the window.
    old = {event_id: cold.Held(1, day) for event_id, day in kept.items() if day < kept_from}
    yield from _by_day(Kind.MISSING_COLD, old, old.keys())
    yield from _if_any(Kind.LOST, None, inventory.known(ids=gone - kept.keys()))


def _by_day(kind: Kind, held: dict[str, cold.Held], ids: Iterable[str]) -> Iterator[Difference]:
    days: dict[date, list[str]] = {}
    for event_id in ids:
        days.setdefault(held[event_id].day, []).append(event_id)
    for day, some in days.items():
        yield Difference(kind, day, sorted(some))


def _if_any(kind: Kind, day: date | None, ids: Iterable[str]) -> Iterator[Difference]:
    if some := sorted(ids):
        yield Difference(kind, day, some)


def _total(digests: Digests) -> int:
    return sum(digest.events for digest in digests.values())


def _mask(count: int, *, bucket: int = _BUCKET) -> int:
    """Of as many buckets as hold about so many ids each; of one, where all can be listed."""
    if count <= _LISTED // 2:
        return 0
    return int(min(2 ** (count // bucket).bit_length(), _MOST_BUCKETS)) - 1


def _unlike(here: Digests, there: Digests) -> Iterator[list[int]]:
    """The buckets that differ, so many at a time as can be listed."""
    none = Digest(0, 0)
    group: list[int] = []
    listed = 0
    for bucket in sorted(here.keys() | there.keys()):
        one, other = here.get(bucket, none), there.get(bucket, none)
        if one == other:
            continue
        count = max(one.events, other.events)
        if group and (listed + count > _LISTED or len(group) == _BUCKETS_AT_ONCE):
            yield group
            group, listed = [], 0
        group.append(bucket)
        listed += count
    if group:
        yield group
