"""Store frames of valid events in PostgreSQL, each event once in its project.

Every event is stored here.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg
from django.db import connection, transaction
from psycopg import errors
from psycopg.rows import scalar_row
from structlog import get_logger

from config.monitoring import metrics, request_id
from config.monitoring.logs import about_requests
from events.delivery import background
from events.format.records import Record, decoded_bytes, frame, timestamp, unframe
from events.models import Batch
from events.sql import load
from events.storing import dedup, hot, quota
from projects.counts import count_events
from projects.models import Project

log = get_logger(__name__)

# How many ids are looked up to guess whether a batch repeats stored events. If a tenth of its
# events are repeats, the lookup finds one with a probability of 80 %; if a third are, 99.8 %. A
# wrong guess costs time, but the result is still exact.
_PROBES = 16
# Its own: a program that imports this one may seed the common one, or watch it.
_random = Random()  # noqa: S311 - chance, not secrecy
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
# One field of 16 bytes, as hexadecimal digits.
_COPY_UUID = "000100000010"
_COPY_TRAILER = b"\xff\xff"
_event_id = attrgetter("event_id")


class Stored(NamedTuple):
    """What became of the events of one call: `received = stored + duplicates`."""

    received: int
    stored: int
    duplicates: int


class NoProject(Exception):
    """There is no such project. Nothing was stored."""


class ProjectGone(NoProject):
    """The project was deleted. Nothing was stored."""

    def __init__(self, project: int) -> None:
        super().__init__(f"project {project} was deleted")


class UnknownProject(NoProject):
    """PostgreSQL has no such project: it may be that of an older backup. Nothing was stored."""


def store(*, project: int, frames: Sequence[bytes], source: Batch.Source) -> Stored:
    """Store the events of all frames in one transaction. A thread delivers the outbox soon after.

    Dedup, hot layer and outbox commit together or not at all. If several events have the same id,
    the first one is kept; stored events come before the events of the frames. Raises ProjectGone,
    UnknownProject, and django.db.Error or psycopg.Error when PostgreSQL can't store; nothing is
    stored then.
    """
    received = [record for data in frames for record in unframe(data)]
    if not received:
        return Stored(0, 0, 0)
    # Sorted by id, so that two transactions with the same ids never wait for each other in a cycle.
    # B-tree pages are also visited in order.
    records = sorted(_first_of_each(received), key=_event_id)
    hot.ensure_partitions_today()
    try:
        stored = _store_once(project, records, frames, len(received), source)
    except errors.CheckViolation:
        # A day has no partition: someone dropped it by hand, or the clock has jumped.
        hot.ensure_partitions(now=datetime.now(UTC))
        stored = _store_once(project, records, frames, len(received), source)
    except errors.UndefinedTable:
        if not _is_deleted(project):
            raise
        raise ProjectGone(project) from None
    return Stored(len(received), stored, len(received) - stored)


def _is_deleted(project: int) -> bool:
    """Whether the project was deleted. Raises UnknownProject if this database never had it."""
    row = Project.objects.filter(pk=project).first()
    if row is None:
        raise UnknownProject(f"there is no project {project} in this database")
    return row.deleted_at is not None


def _store_once(
    project: int,
    records: list[Record],
    frames: Sequence[bytes],
    received: int,
    source: Batch.Source,
) -> int:
    """Run the transaction. Returns how many of the records were new."""
    began = time.perf_counter()
    with transaction.atomic():
        fresh = _insert_dedup(project, records)
        transaction.on_commit(partial(background.deliver_soon, project, len(fresh)))
        _copy_hot(project, fresh)
        kept = frames if len(fresh) == received else [frame(fresh)] if fresh else []
        batch_id = _insert_batch(project, source, received, len(fresh), kept)
        # An import may put this transaction inside its own, which may be rolled back.
        transaction.on_commit(
            partial(_tell, project, batch_id, source, received, len(fresh), began)
        )
    return len(fresh)


def _tell(
    project: int, batch_id: UUID, source: Batch.Source, received: int, stored: int, began: float
) -> None:
    seconds = time.perf_counter() - began
    metrics.EVENTS_STORED.labels(source.value).inc(stored)
    metrics.EVENTS_DUPLICATE.labels(source.value).inc(received - stored)
    count_events(project, stored=stored, duplicate=received - stored)
    quota.settle(project, source, received=received, stored=stored)
    metrics.EVENTS_PROCESSING_SECONDS.labels("store").observe(seconds)
    about_requests(
        log,
        "batch_stored",
        request_id.several(),
        project=project,
        batch_id=str(batch_id),
        source=source.value,
        count=received,
        stored=stored,
        duplicates=received - stored,
        milliseconds=round(seconds * 1000, 1),
    )


def _first_of_each(records: Iterable[Record]) -> Iterable[Record]:
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.event_id, record)
    return first.values()


def _insert_dedup(project: int, records: list[Record]) -> list[Record]:
    """Insert the ids into the project's table of ids. Returns the records whose ids were new.

    COPY takes a third of the time of INSERT … ON CONFLICT. But if some ids are known, or another
    transaction inserts the same ids meanwhile, COPY fails as a whole. It is then tried again
    without the ids that are known by then.
    """
    fresh = records if not _any_known(project, records) else _without_known(project, records)
    while fresh:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _copy_ids(cursor, project, fresh)
            break
        except errors.UniqueViolation:
            # The faster transaction has committed, and READ COMMITTED sees its ids now.
            fresh = _without_known(project, fresh)
    return fresh


def _any_known(project: int, records: list[Record]) -> bool:
    probes = records if len(records) <= _PROBES else _random.sample(records, _PROBES)
    return bool(_known(project, probes))


def _without_known(project: int, records: list[Record]) -> list[Record]:
    known = _known(project, records)
    return [record for record in records if UUID(record.event_id) not in known]


def _known(project: int, records: Iterable[Record]) -> set[UUID]:
    ids = [UUID(record.event_id) for record in records]
    # Django's own cursor writes parameters into the SQL text. Bound binary parameters parse faster.
    with psycopg.Cursor(connection.connection, row_factory=scalar_row) as cursor:
        query = f"SELECT event_id FROM {dedup.table(project)} WHERE event_id = ANY(%b::uuid[])"  # noqa: S608
        return set(cursor.execute(query, [ids], binary=True))


def _copy_ids(cursor: Any, project: int, records: list[Record]) -> None:
    ids = _COPY_UUID.join([record.event_id for record in records]).replace("-", "")
    rows = bytes.fromhex(_COPY_UUID + ids)
    statement = f"COPY {dedup.table(project)} (event_id) FROM STDIN (FORMAT binary)"
    with cursor.copy(statement) as copy:
        copy.write(_COPY_HEADER + rows + _COPY_TRAILER)


def _copy_hot(project: int, records: list[Record]) -> None:
    """Copy the records inside the hot window to `hot_events`, in COPY's text format.

    Only backslashes need escaping: names have no control characters, and compact JSON has them only
    as escapes.
    """
    start = timestamp(hot.window_start(datetime.now(UTC)))
    rows = "".join(
        [
            f"{r.event_id}\t{r.occurred_at}\t{project}\t{r.user_id}\t{r.event_type}\t"
            f"{str(r.properties_text, 'utf-8')}\n"
            for r in records
            if r.occurred_at >= start
        ]
    )
    if rows:
        with connection.cursor() as cursor, cursor.copy("COPY hot_events FROM STDIN") as copy:
            copy.write(rows.replace("\\", "\\\\"))


def _insert_batch(
    project: int, source: Batch.Source, received: int, stored: int, frames: Sequence[bytes]
) -> UUID:
    payload = b"".join(frames) or None
    row = {
        "project": project,
        "source": source.value,
        "state": (Batch.State.PENDING if payload else Batch.State.DELIVERED).value,
        "received": received,
        "stored": stored,
        "payload": payload,
        "payload_bytes": len(payload or b""),
        "decoded_bytes": sum(decoded_bytes(data) for data in frames),
        "delivered_at": None if payload else datetime.now(UTC),
    }
    # Django's own cursor would write the payload into the SQL text, as hexadecimal digits.
    with psycopg.Cursor(connection.connection, row_factory=scalar_row) as cursor:
        return cast(UUID, cursor.execute(load("insert_batch"), row).fetchone())
