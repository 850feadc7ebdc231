"""Removes surplus copies of events from ClickHouse. New events may arrive meanwhile."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from analytics import clickhouse, cluster
from analytics.maintenance import daily_counts, inventory
from analytics.queries import load
from analytics.zones import UTC, read_day

# If a merge happens between the search for a row and its deletion, the row stays. The next attempt
# finds it again.
_ATTEMPTS = 20


class _Copy(NamedTuple):
    event_id: str
    user_hash: int
    part: str
    offset: int
    day: str
    event_type: str
    content: str


def remove(*, project: int, zone: str | None, ids: list[str]) -> list[str]:
    """Leave one copy of each id. Remove the others from the events and from the daily counts.

    The other rollups are sets, in which a copy changes nothing. `zone` is the one whose days the
    daily counts have; if it is None, they will be made anew, and nothing is corrected in them.
    Returns the ids whose copies differ in content. These keep all copies, because nobody knows here
    which copy is right and how the others have changed those sets. Safe to repeat, but not to run
    twice at once. Raises ClickHouseError.
    """
    unlike: list[str] = []
    for some in inventory.chunks(ids):
        alike = []
        for group in _groups(project, zone, some):
            if len({copy.content for copy in group}) == 1:
                alike.append(group)
            else:
                unlike.append(group[0].event_id)
        _remove(project, zone, alike)
    return unlike


def _groups(project: int, zone: str | None, ids: list[str]) -> Iterator[list[_Copy]]:
    """The copies of each id that has several."""
    rows = inventory.ask("surplus_copies", {"ids": ids, "tz": zone or UTC}, project=project)
    for _, group in groupby((_Copy(*row) for row in rows), key=attrgetter("event_id")):
        copies = list(group)
        if len(copies) > 1:
            yield copies


def _remove(project: int, zone: str | None, groups: list[list[_Copy]]) -> None:
    """Correct the daily counts first, then delete the rows.

    If a run is interrupted between the two, the next run finds counts lower than the rows, leaves
    these counts and deletes the rows. In the other order, it could not find out what is left to do.
    """
    surplus = [copy for group in groups for copy in group[1:]]
    if not surplus:
        return
    if zone:
        _uncount(project, zone, surplus)
    ids = [group[0].event_id for group in groups]
    for _ in range(_ATTEMPTS):
        for some in _bites(surplus):
            _delete(project, some)
        surplus = [copy for group in _groups(project, zone, ids) for copy in group[1:]]
        if not surplus:
            return
    raise clickhouse.ClickHouseUnavailable("merges keep moving the surplus rows: try again")


def _uncount(project: int, zone: str, surplus: list[_Copy]) -> None:
    """Subtract the surplus from daily counts, but only from those that match the rows.

    Other counts do not include the surplus: it was stored without passing the views.
    """
    counts = Counter((read_day(copy.day), copy.event_type) for copy in surplus)
    days = [day for day, _ in counts]
    unlike = daily_counts.unlike(project=project, zone=zone, start=min(days), end=max(days))
    alike = {key: n for key, n in counts.items() if key not in unlike}
    daily_counts.subtract(alike, project=project)


def _bites(copies: list[_Copy]) -> Iterator[list[_Copy]]:
    for start in range(0, len(copies), inventory.IDS_AT_ONCE):
        yield copies[start : start + inventory.IDS_AT_ONCE]


def _delete(project: int, copies: list[_Copy]) -> None:
    table = f"{cluster.local('events')}{cluster.on()}"
    clickhouse.command(
        load("surplus_delete").replace("FROM events", f"FROM {table}"),
        project=project,
        parameters={
            "users": [copy.user_hash for copy in copies],
            "parts": [copy.part for copy in copies],
            "offsets": [copy.offset for copy in copies],
        },
    )
