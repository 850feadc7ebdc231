"""Takes surplus copies of events out of ClickHouse, safely while it goes on taking others in."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from analytics import clickhouse, inventory
from analytics.queries import load

# A merge between finding a row and deleting it leaves the row, to be found again.
_ATTEMPTS = 20


class Removed(NamedTuple):
    """Copies removed, and ids left as they are because their copies are not alike."""

    copies: int
    unlike: int


class _Copy(NamedTuple):
    event_id: str
    part: str
    offset: int
    day: str
    event_type: str
    content: str


def remove(*, ids: Collection[str]) -> Removed:
    """Leave one copy of each id and take the others out of the events and of their daily counts.

    The other rollups are sets, in which a copy has changed nothing. Ids whose copies differ in
    content are left alone: which one is right, and what the other has done to those sets, nobody
    knows here. Safe to repeat; not to run twice at once. Raises ClickHouseError.
    """
    copies = unlike = 0
    for some in inventory.chunks(list(ids)):
        groups = list(_groups(some))
        alike = [group for group in groups if len({copy.content for copy in group}) == 1]
        unlike += len(groups) - len(alike)
        copies += _remove(alike)
    return Removed(copies, unlike)


def _groups(ids: Collection[str]) -> Iterator[list[_Copy]]:
    """The copies of each id that has several."""
    rows = clickhouse.query(load("surplus_copies"), parameters={"ids": ids})
    for _, group in groupby((_Copy(*row) for row in rows), key=attrgetter("event_id")):
        copies = list(group)
        if len(copies) > 1:
            yield copies


def _remove(groups: list[list[_Copy]]) -> int:
    """The daily counts first: cut short after them, the next run finds them to be less than the
    rows, leaves them, and removes the rows. The other way round nothing would tell it.
    """
    surplus = [copy for group in groups for copy in group[1:]]
    if not surplus:
        return 0
    _subtract(surplus)
    ids = [group[0].event_id for group in groups]
    left = surplus
    for _ in range(_ATTEMPTS):
        for some in _bites(left):
            _delete(some)
        left = [copy for group in _groups(ids) for copy in group[1:]]
        if not left:
            break
    return len(surplus) - len(left)


def _subtract(surplus: list[_Copy]) -> None:
    """From the counts that are those of the rows: surplus that came past the views is not in them."""
    counts = Counter((date.fromisoformat(copy.day), copy.event_type) for copy in surplus)
    span = sorted(day for day, _ in counts)
    for key in inventory.unlike_rollups(start=span[0], end=span[-1]):
        counts.pop(key, None)
    if counts:
        days, types = zip(*counts, strict=True)
        clickhouse.command(
            load("surplus_subtract"),
            parameters={"days": days, "types": types, "counts": list(counts.values())},
        )


def _bites(copies: list[_Copy]) -> Iterator[list[_Copy]]:
    for start in range(0, len(copies), inventory.IDS_AT_ONCE):
        yield copies[start : start + inventory.IDS_AT_ONCE]


def _delete(copies: list[_Copy]) -> None:
    clickhouse.command(
        load("surplus_delete"),
        parameters={
            "parts": [copy.part for copy in copies],
            "offsets": [copy.offset for copy in copies],
        },
    )
