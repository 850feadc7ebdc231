"""Delivery of what may have arrived before: ClickHouse's answer is checked against its rows.

An attempt that ended without an answer may have left nothing, all, or what some partitions hold. It
may have left a token without its rows, which confirms a repeat that it doesn't take: the server
notes the one, is killed, and never keeps the other. An engine that notes them the other way round
leaves rows without their token, which a repeat doubles.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from analytics import clickhouse
from analytics.maintenance import daily_counts, inventory, surplus
from events.format.records import Record, by_day_and_type, frame, unframe
from events.postgres.repair_lock import RepairRunning, alone

# How long an earlier attempt that nobody waits for may take to show the rows of its token.
_SETTLE_SECONDS = 1.0


class Unsettled(Exception):
    """ClickHouse has confirmed events that it doesn't have once; they stay in the outbox."""


def send_again(*, batch_id: UUID, payload: bytes, attempt: int) -> None:
    """Send a block under its token once more, and see that each of its events is there once.

    Under its token, even where all events are there: the rollups may lack them. What is missing
    afterwards is sent under a token of this attempt's own, what is doubled is taken out. Raises
    ClickHouseRefused, ClickHouseUnavailable and Unsettled.
    """
    clickhouse.insert_block(token=str(batch_id), body=payload)
    records = _storable(unframe(payload))
    if _each_once(records):
        return
    time.sleep(_SETTLE_SECONDS)
    try:
        with alone():
            _put_right(records, token=f"{batch_id}/{attempt}")
    except RepairRunning as error:
        raise Unsettled(f"not all of it is there once, and {error}") from error


def _each_once(records: Sequence[Record]) -> bool:
    copies = _copies(records)
    return len(copies) == len(records) and all(count == 1 for count in copies.values())


def _put_right(records: Sequence[Record], *, token: str) -> None:
    copies = _copies(records)
    if doubled := [event_id for event_id, count in copies.items() if count > 1]:
        surplus.remove(ids=doubled)
    missing = [record for record in records if record.event_id not in copies]
    if missing:
        daily_counts.subtract_excess(by_day_and_type(missing))
        clickhouse.insert_block(token=token, body=frame(missing))
    if not _each_once(records):
        raise Unsettled("ClickHouse has confirmed events that are not there, or there twice")


def arrived(records: Sequence[Record]) -> set[str]:
    """Ids of those events that ClickHouse has. Raises ClickHouseUnavailable."""
    return set(_copies(_storable(records)))


def uncount(records: Sequence[Record]) -> None:
    """Of events that are not there, before they are sent under a token that isn't their first.

    Raises ClickHouseUnavailable and Unsettled.
    """
    try:
        with alone():
            daily_counts.subtract_excess(by_day_and_type(_storable(records)))
    except RepairRunning as error:
        raise Unsettled(str(error)) from error


def _storable(records: Iterable[Record]) -> list[Record]:
    """Without those that have no id or no day, which no table can have: somebody spoilt them."""
    return [record for record in records if _has_place(record)]


def _has_place(record: Record) -> bool:
    try:
        UUID(record.event_id)
        day = date.fromisoformat(record.occurred_at[:10])
    except ValueError:
        return False
    return inventory.FIRST_DAY <= day <= inventory.LAST_DAY


def _copies(records: Sequence[Record]) -> dict[str, int]:
    """How often each event is there that is there at all."""
    days = [date.fromisoformat(record.occurred_at[:10]) for record in records]
    if not days:
        return {}
    ids = [record.event_id for record in records]
    return inventory.copies(ids=ids, start=min(days), end=max(days))
