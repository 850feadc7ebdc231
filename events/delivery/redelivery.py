"""Send blocks again that may have arrived before, and check ClickHouse's answer against its rows.

An attempt that ended without an answer may have left no rows, all rows, or the rows of some
partitions. It may also have left a token without its rows, if the server noted the token and was
killed before it kept the rows. ClickHouse then confirms a repeat and does not store it. An engine
that keeps the rows first may leave rows without their token, and a repeat stores these rows twice.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from analytics import inserting
from analytics.maintenance import daily_counts, inventory, surplus
from events.format.records import Record, by_day_and_type, frame, unframe
from events.postgres.repair_lock import RepairRunning, alone
from projects.zones import rollup_zone

# An earlier attempt may still run although nobody waits for it. Its rows appear within this time.
_SETTLE_SECONDS = 1.0


class Unsettled(Exception):
    """ClickHouse has confirmed events but lacks some or has copies. They stay in the outbox."""


def send_again(*, project: int, batch_id: UUID, payload: bytes, attempt: int) -> None:
    """Send a block again under its token, and make sure that ClickHouse has each event once.

    The block is sent even if all events are there, because the rollups may lack them. Events that
    are missing afterwards are sent under a new token for this attempt, and extra copies are
    removed. Raises ClickHouseRefused, ClickHouseUnavailable and Unsettled.
    """
    inserting.insert_block(project=project, token=str(batch_id), body=payload)
    records = storable(unframe(payload))
    if _each_once(records, project):
        return
    time.sleep(_SETTLE_SECONDS)
    try:
        with alone():
            _put_right(records, project, token=f"{batch_id}/{attempt}")
    except RepairRunning as error:
        raise Unsettled(
            f"ClickHouse lacks events of the batch or has copies of them, and {error}"
        ) from error


def _each_once(records: Sequence[Record], project: int) -> bool:
    copies = _copies(records, project)
    return len(copies) == len(records) and all(count == 1 for count in copies.values())


def _put_right(records: Sequence[Record], project: int, *, token: str) -> None:
    copies = _copies(records, project)
    if doubled := [event_id for event_id, count in copies.items() if count > 1]:
        surplus.remove(project=project, zone=rollup_zone(project), ids=doubled)
    missing = [record for record in records if record.event_id not in copies]
    if missing:
        _uncount(missing, project)
        inserting.insert_block(project=project, token=token, body=frame(missing))
    if not _each_once(records, project):
        raise Unsettled("ClickHouse confirmed the batch, but lacks events or has copies of them")


def arrived(records: Sequence[Record], *, project: int) -> set[str]:
    """Return the ids of those events that ClickHouse has. Raises ClickHouseUnavailable."""
    return set(_copies(storable(records), project))


def uncount(records: Sequence[Record], *, project: int) -> None:
    """Take events that ClickHouse lacks out of the daily counts, as far as they are counted.

    Call this before the events are sent under a new token, which counts them again. Raises
    ClickHouseUnavailable and Unsettled.
    """
    try:
        with alone():
            _uncount(storable(records), project)
    except RepairRunning as error:
        raise Unsettled(str(error)) from error


def _uncount(records: Sequence[Record], project: int) -> None:
    """The same for a caller that has the lock. Counts that will be made anew stay as they are."""
    if zone := rollup_zone(project):
        counts = by_day_and_type(records, zone=zone)
        daily_counts.subtract_excess(counts, project=project, zone=zone)


def storable(records: Iterable[Record]) -> list[Record]:
    """Leave out damaged records: no table can hold a record without an id or a day."""
    return [record for record in records if _has_place(record)]


def _has_place(record: Record) -> bool:
    try:
        UUID(record.event_id)
        day = date.fromisoformat(record.occurred_at[:10])
    except ValueError:
        return False
    return inventory.FIRST_DAY <= day <= inventory.LAST_DAY


def _copies(records: Sequence[Record], project: int) -> dict[str, int]:
    """Return the ids of the events that ClickHouse has, each with its number of copies."""
    days = [date.fromisoformat(record.occurred_at[:10]) for record in records]
    if not days:
        return {}
    ids = [record.event_id for record in records]
    return inventory.copies(project=project, ids=ids, start=min(days), end=max(days))
