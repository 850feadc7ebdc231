"""Verify: compare a project in PostgreSQL and ClickHouse, by day and by id.

Both stores accept new events meanwhile.

The comparison checks which ids each store has, on which day and how often. It ignores the rest of
an event. The hot layer is compared with ClickHouse by day. Of older events PostgreSQL has only the
ids, in dedup and without a day. These ids are compared with all of ClickHouse, by bucket of their
hash. Both engines compute counts and sums of hashes, which do not depend on order. Ids are listed
only where the counts or sums differ.

Lists from two stores are never from the same moment. So a difference between them is only
suspected, and its ids are looked up again, in the order in which events travel. An event that
PostgreSQL has committed is in the outbox until ClickHouse has confirmed it. So an id that was in
PostgreSQL, then not in the outbox, and then not in ClickHouse, is missing in ClickHouse. An event
that ClickHouse shows was committed in PostgreSQL before. So an id that was in ClickHouse, and then
not in PostgreSQL, is missing in PostgreSQL.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from django.conf import settings

from analytics.maintenance import daily_counts
from analytics.maintenance import inventory as cold
from analytics.maintenance.inventory import Digest, Digests
from events.auditing import inventory
from events.auditing.differences import Difference, Kind, Report
from events.models import Batch
from events.storing import hot
from projects.models import Project
from projects.zones import rollup_zone

# Ids of each store in memory at a time: about 50 MB.
_LISTED = 200_000
# Ids in a bucket: so few that one event on its way causes only a few others to be listed.
_BUCKET = 256
_MOST_BUCKETS = 2**16
_BUCKETS_AT_ONCE = 5_000
# Clocks of processes that store events may be behind this one. So the comparison leaves a day out
# from this long before it leaves the hot window.
_MARGIN = timedelta(minutes=5)


def verify(
    *,
    project: int,
    start: date | None = None,
    end: date | None = None,
    act: Callable[[Difference], None] | None = None,
) -> Report:
    """Compare a project in both stores; call `act` with every difference once it is certain.

    Without days, compares the hot window by day, and all ids of both stores. With days (`start` and
    `end` are included), compares those days that are in the hot window, and checks that dedup has
    ClickHouse's ids of all the days. Lost ids have no day, so they are looked for only without
    days. They are not looked for if DEDUP_DAYS is set, because dedup then forgets old ids. They are
    not looked for in a project that has dropped months, because dedup still has the ids of these.
    Raises django.db.Error and ClickHouseError.
    """
    report = Report(project)
    for difference in _differences(report, start, end):
        report.add(difference)
        if act:
            act(difference)
    report.waiting = inventory.waiting(project=project, state=Batch.State.PENDING)
    report.failed = inventory.waiting(project=project, state=Batch.State.FAILED)
    return report


def _differences(report: Report, start: date | None, end: date | None) -> Iterator[Difference]:
    whole = start is None
    first = max(start or cold.FIRST_DAY, cold.FIRST_DAY)
    last = min(end or cold.LAST_DAY, cold.LAST_DAY)
    counts = cold.counts(project=report.project, start=first, end=last)
    report.cold = sum(counts.values())
    window = [day for day in _window() if first <= day <= last]
    for day in window:
        yield from _hot_day(day, report, is_in_cold=day in counts)
    if whole and not settings.DEDUP_DAYS and not _has_dropped(report.project):
        yield from _all_ids(report, kept_from=window[0])
    else:
        for day, count in counts.items():
            if not whole or day in window:
                yield from _cold_day(report, day, count)
    yield from _miscounted(report.project, first, last)


def _has_dropped(project: int) -> bool:
    return Project.objects.filter(pk=project).exclude(history_dropped=None).exists()


def _miscounted(project: int, first: date, last: date) -> Iterator[Difference]:
    """Compare the daily counts with the events, by days of the rollup's zone.

    While rollups are made anew for another zone, nothing reads them.
    """
    zone = rollup_zone(project)
    if zone is None:
        return
    unlike = sorted(daily_counts.unlike(project=project, zone=zone, start=first, end=last))
    if unlike and rollup_zone(project) != zone:
        return
    for day, keys in groupby(unlike, key=lambda key: key[0]):
        yield Difference(project, Kind.ROLLUP, day, [event_type for _, event_type in keys])


def _window() -> list[date]:
    """Days whose events the hot layer has to have."""
    now = datetime.now(UTC)
    first = hot.window_start(now + _MARGIN).date()
    last = now.date() + timedelta(days=hot.DAYS_AHEAD)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _hot_day(day: date, report: Report, *, is_in_cold: bool) -> Iterator[Difference]:
    """Compare a day of the hot layer with the same day in ClickHouse.

    `is_in_cold` says whether ClickHouse had events of the day when the comparison began.
    """
    here = inventory.hot_digests(project=report.project, day=day)
    if not here and not is_in_cold:
        return
    there = cold.digests(project=report.project, start=day, end=day)
    report.hot += _total(here)
    if here == there:
        return
    if mask := _mask(max(_total(here), _total(there)), bucket=_BUCKET):
        here = inventory.hot_digests(project=report.project, day=day, mask=mask)
        there = cold.digests(project=report.project, start=day, end=day, mask=mask)
    for buckets in _unlike(here, there):
        rows = inventory.hot_listed(project=report.project, day=day, mask=mask, buckets=buckets)
        held = cold.listed(project=report.project, start=day, end=day, mask=mask, buckets=buckets)
        yield from _if_any(
            report.project, Kind.DOUBLED_HOT, day, (i for i, n in rows.items() if n > 1)
        )
        yield from _not_cold(report.project, day, rows.keys() - held.keys())
        yield from _not_hot(report.project, day, held.keys() - rows.keys())


def _not_cold(project: int, day: date, ids: Set[str]) -> Iterator[Difference]:
    """Check ids that the hot layer had and that ClickHouse seemed to lack on that day."""
    ids = ids - inventory.in_outbox(project=project, ids=ids) if ids else ids
    places = cold.days(project=project, ids=ids)
    yield from _if_any(
        project, Kind.MOVED, day, (i for i, days in places.items() if day not in days)
    )
    # An event that was discarded meanwhile is in no store.
    missing = inventory.hot_days(project=project, ids=ids - places.keys()).keys()
    yield from _if_any(project, Kind.MISSING_COLD, day, missing)
    if not settings.DEDUP_DAYS:
        yield from _if_any(
            project, Kind.UNKNOWN, day, missing - inventory.known(project=project, ids=missing)
        )


def _not_hot(project: int, day: date, ids: Set[str]) -> Iterator[Difference]:
    """Check ids that ClickHouse had and that the hot layer seemed to lack."""
    missing = ids - inventory.hot_days(project=project, ids=ids).keys()
    if day in _window():
        yield from _if_any(project, Kind.MISSING_HOT, day, missing)


def _all_ids(report: Report, *, kept_from: date) -> Iterator[Difference]:
    """Compare dedup with all of ClickHouse. Days since `kept_from` were compared already."""
    mask = _mask(max(report.cold, inventory.known_at_most(project=report.project)), bucket=_BUCKET)
    # Dedup knew every event that ClickHouse shows. An event that dedup knew at this time and that
    # ClickHouse does not show was on its way, or is missing.
    before = inventory.clock()
    there = cold.digests(project=report.project, start=cold.FIRST_DAY, end=cold.LAST_DAY, mask=mask)
    here = inventory.known_digests(project=report.project, before=before, mask=mask)
    report.known = _total(here)
    for buckets in _unlike(here, there):
        known = inventory.known_listed(project=report.project, mask=mask, buckets=buckets)
        held = cold.listed(
            project=report.project,
            start=cold.FIRST_DAY,
            end=cold.LAST_DAY,
            mask=mask,
            buckets=buckets,
        )
        yield from _doubled(report.project, held)
        yield from _unknown(report.project, held, held.keys() - known)
        yield from _nowhere(report.project, known - held.keys(), kept_from)


def _cold_day(report: Report, day: date, count: int) -> Iterator[Difference]:
    """Compare ClickHouse's ids of a day with dedup."""
    mask = _mask(count, bucket=_LISTED // 2)
    for bucket in range(mask + 1):
        held = cold.listed(project=report.project, start=day, end=day, mask=mask, buckets=[bucket])
        yield from _doubled(report.project, held)
        if not settings.DEDUP_DAYS:
            yield from _unknown(report.project, held, held.keys())


def _doubled(project: int, held: dict[str, cold.Held]) -> Iterator[Difference]:
    doubled = [event_id for event_id, (copies, _) in held.items() if copies > 1]
    yield from _by_day(project, Kind.DOUBLED_COLD, held, doubled)


def _unknown(project: int, held: dict[str, cold.Held], ids: Set[str]) -> Iterator[Difference]:
    """Check ids that ClickHouse had and that dedup seemed to lack."""
    yield from _by_day(project, Kind.UNKNOWN, held, ids - inventory.known(project=project, ids=ids))


def _nowhere(project: int, ids: Set[str], kept_from: date) -> Iterator[Difference]:
    """Check ids that dedup had and that ClickHouse seemed to lack."""
    ids = ids - inventory.in_outbox(project=project, ids=ids) if ids else ids
    gone = ids - cold.days(project=project, ids=ids).keys()
    kept = inventory.hot_days(project=project, ids=gone)
    # The hot layer still has these events, although their day has left the hot window.
    old = {event_id: cold.Held(1, day) for event_id, day in kept.items() if day < kept_from}
    yield from _by_day(project, Kind.MISSING_COLD, old, old.keys())
    yield from _if_any(
        project, Kind.LOST, None, inventory.known(project=project, ids=gone - kept.keys())
    )


def _by_day(
    project: int, kind: Kind, held: dict[str, cold.Held], ids: Iterable[str]
) -> Iterator[Difference]:
    days: dict[date, list[str]] = {}
    for event_id in ids:
        days.setdefault(held[event_id].day, []).append(event_id)
    for day, some in days.items():
        yield Difference(project, kind, day, sorted(some))


def _if_any(project: int, kind: Kind, day: date | None, ids: Iterable[str]) -> Iterator[Difference]:
    if some := sorted(ids):
        yield Difference(project, kind, day, some)


def _total(digests: Digests) -> int:
    return sum(digest.events for digest in digests.values())


def _mask(count: int, *, bucket: int) -> int:
    """The mask for buckets of about `bucket` ids each; 0, for one bucket, if all can be listed."""
    if count <= _LISTED // 2:
        return 0
    return int(min(2 ** (count // bucket).bit_length(), _MOST_BUCKETS)) - 1


def _unlike(here: Digests, there: Digests) -> Iterator[list[int]]:
    """The buckets that differ, as many at a time as can be listed."""
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
