"""Send the batches of PostgreSQL's outbox to ClickHouse, again and again until it confirms them."""

import time
from collections import Counter
from datetime import timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from structlog import get_logger

from analytics import clickhouse, inserting
from config.monitoring import metrics
from events.delivery import parking, pause, redelivery
from events.format.records import BLOCK_BYTES, lines_bytes
from events.models import Batch
from events.sql import load

log = get_logger(__name__)

# The most batches that are considered for one block.
_MERGE_AT_MOST = 500
_random = Random()  # noqa: S311 - chance, not secrecy
# The pause after an attempt doubles each time: 1 to 2 s after the first, and at most 30 s.
_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 30.0
# After this many failures in a row, a run leaves a project out.
_FAILURES_IN_A_ROW = 3
# Error codes that smaller blocks may avoid: over the time limit (159), over the memory limit (241).
_TOO_MUCH = frozenset({159, 241})
_ATTEMPTS_AS_A_WHOLE = 5
# A block smaller than this is not halved: if it is too much, its size is not the cause.
_SMALL_BYTES = 1024 * 1024


class _Due(NamedTuple):
    project: int
    batch_id: UUID
    events: int
    decoded_bytes: int
    attempts: int
    split_from: UUID | None

    @property
    def is_alone(self) -> bool:
        """True if it must have a block alone: its token is used, or it is part of a split batch."""
        return self.attempts > 0 or self.split_from is not None


_DUE = ("project", "id", "stored", "decoded_bytes", "attempts", "split_from")


class Claim(NamedTuple):
    """A batch that this process alone delivers until its lease ends."""

    project: int
    batch_id: UUID
    payload: bytes
    attempt: int
    events: int


class Delivered(NamedTuple):
    """What one run did: blocks confirmed, of how many projects, and whether it ended early.

    It ends early, `failed`, if ClickHouse is in trouble or deliveries are paused.
    """

    blocks: int
    failed: bool
    projects: int


def deliver_due() -> Delivered:
    """Deliver every batch that is due, one block after another, and come to an end.

    What commits meanwhile is left to the next run, unless it fits in a block of this one. Or a
    caller would never return while many send, and nothing would gather for a larger block.
    If ClickHouse can't take a batch now, the batch is due again after a pause that doubles with
    every attempt. Other batches do not wait for it. If ClickHouse refuses the content of a batch,
    the batch is split, so that its valid events arrive. The run leaves out a project that fails
    several times in a row, because the fault may be in its database alone. The run ends early when
    ClickHouse is unreachable.
    """
    blocks: Counter[int] = Counter()
    failures: Counter[int] = Counter()
    failing: set[int] = set()
    of_run = _committed()
    try:
        while claim := _claim(of_run & ~Q(project__in=failing) if failing else of_run):
            try:
                if _deliver(claim):
                    blocks[claim.project] += 1
                    del failures[claim.project]
            except (redelivery.Unsettled, clickhouse.ClickHouseError) as error:
                _postpone(claim, error)
                if isinstance(error, clickhouse.ClickHouseError) and not error.code:
                    return Delivered(blocks.total(), True, len(blocks))
                failures[claim.project] += 1
                if failures[claim.project] >= _FAILURES_IN_A_ROW:
                    failing.add(claim.project)
    except pause.Paused:
        return Delivered(blocks.total(), True, len(blocks))
    return Delivered(blocks.total(), bool(failing), len(blocks))


def _deliver(claim: Claim) -> bool:
    """Return True if the block is in ClickHouse, False if it was split or set aside."""
    began = time.perf_counter()
    try:
        _send(claim)
    except clickhouse.ClickHouseRefused as error:
        _set_aside(claim, error)
    except clickhouse.ClickHouseUnavailable as error:
        if not _halved(claim, error):
            raise
    else:
        _confirm(claim.batch_id)
        _tell(claim, time.perf_counter() - began)
        return True
    return False


def _tell(claim: Claim, seconds: float) -> None:
    metrics.EVENTS_DELIVERED.inc(claim.events)
    metrics.EVENTS_PROCESSING_SECONDS.labels("deliver").observe(seconds)
    log.info(
        "batch_delivered",
        project=claim.project,
        batch_id=str(claim.batch_id),
        count=claim.events,
        attempt=claim.attempt,
        milliseconds=round(seconds * 1000, 1),
    )


def _send(claim: Claim) -> None:
    project, batch_id, payload, attempt, _ = claim
    if attempt == 1:
        inserting.insert_block(project=project, token=str(batch_id), body=payload)
    else:
        redelivery.send_again(project=project, batch_id=batch_id, payload=payload, attempt=attempt)


def _set_aside(claim: Claim, error: clickhouse.ClickHouseError) -> None:
    """Split or park a refused block.

    Nothing of the block has arrived, unless an earlier attempt had no answer.
    """
    there: set[str] = set()
    if claim.attempt > 1:
        there = redelivery.arrived(parking.read(claim.payload), project=claim.project)
    parking.split_or_park(claim.batch_id, attempt=claim.attempt, reason=str(error), there=there)


def _halved(claim: Claim, error: clickhouse.ClickHouseError) -> bool:
    """Halve a block that is too much for ClickHouse. Returns whether it was halved.

    A block is not halved if ClickHouse has one of its rows. Rollups may lack this row, and only the
    block's own token can bring it into them.
    """
    if error.code not in _TOO_MUCH or claim.attempt < _ATTEMPTS_AS_A_WHOLE:
        return False
    records = parking.read(claim.payload)
    if len(records) < 2 or lines_bytes(records) < _SMALL_BYTES:
        return False
    if redelivery.arrived(records, project=claim.project):
        return False
    redelivery.uncount(records, project=claim.project)
    parking.split(claim.batch_id, attempt=claim.attempt, reason=str(error))
    return True


def _committed() -> Q:
    """The batches that are there now, and parts into which they will be split.

    Ids sort by time.
    """
    pending = Batch.objects.filter(state=Batch.State.PENDING)
    newest = pending.order_by("-id").values_list("id", flat=True).first()
    return Q(id__lte=newest or UUID(int=0)) | Q(split_from__isnull=False)


def _claim(of: Q | None = None) -> Claim | None:
    """Claim the oldest due batch, and the small batches of its project that fit in the same block.

    `of` says which batches may be the oldest.
    A batch that was tried before is sent again unchanged, under the same token. Only batches that
    were never tried may be merged. The first of them takes over the frames of the others, and its
    id is the token. Raises Paused.
    """
    with transaction.atomic():
        pause.check()
        oldest = _due(of or Q(), at_most=1)
        if not oldest:
            return None
        [first] = oldest
        if first.is_alone:
            return _take(first.project, [first.batch_id])
        due = _due(Q(project=first.project), at_most=_MERGE_AT_MOST)
        # Another batch may have become due meanwhile, for example by a retry in the admin.
        group = [due[0].batch_id] if due[0].is_alone else _mergeable(due)
        return _take(first.project, group)


def _due(of: Q, *, at_most: int) -> list[_Due]:
    """Lock the oldest due batches of some projects."""
    due = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    rows = (
        Batch.objects.select_for_update(skip_locked=True)
        .filter(due & of, state=Batch.State.PENDING)
        .order_by("id")
        .values_list(*_DUE)
    )
    return [_Due(*row) for row in rows[:at_most]]


def _mergeable(due: list[_Due]) -> list[UUID]:
    """Return the ids of the first batches that CLICKHOUSE_BATCH_SIZE and BLOCK_BYTES allow."""
    first, *rest = due
    group = [first.batch_id]
    events, size = first.events, first.decoded_bytes
    for batch in rest:
        if not batch.is_alone:
            events, size = events + batch.events, size + batch.decoded_bytes
            if events > settings.CLICKHOUSE_BATCH_SIZE or size > BLOCK_BYTES:
                break
            group.append(batch.batch_id)
    return group


def _take(project: int, group: list[UUID]) -> Claim:
    first, *rest = group
    if rest:
        _merge(group)
    # Django's own cursor would get the payload as hexadecimal digits.
    with psycopg.Cursor(connection.connection) as cursor:
        row = {"id": first, "lease": lease()}
        found = cursor.execute(load("claim_batch"), row, binary=True).fetchone()
    if found is None:
        raise Batch.DoesNotExist(f"there is no batch {first}")
    payload, attempt, events = found
    return Claim(project, first, payload or b"", attempt, events)


def lease() -> timedelta:
    """Return how long only one process may deliver a batch: longer than any insert may take."""
    limit = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS
    return timedelta(seconds=max(2 * limit, clickhouse.longest_insert_seconds() + 1))


def _merge(group: list[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(load("merge_batches"), {"ids": group, "first": group[0]})


def _confirm(batch_id: UUID) -> None:
    Batch.objects.filter(_is_in_block(batch_id)).update(
        state=Batch.State.DELIVERED, payload=None, error="", delivered_at=Now()
    )


def _is_in_block(batch_id: UUID) -> Q:
    return Q(id=batch_id) | Q(merged_into=batch_id)


def _postpone(claim: Claim, error: Exception) -> None:
    wait = timedelta(seconds=_pause(claim.attempt))
    code = getattr(error, "code", None)
    log.warning(
        "delivery_failed",
        project=claim.project,
        batch_id=str(claim.batch_id),
        count=claim.events,
        attempt=claim.attempt,
        # ClickHouse's message may quote the block, so it is not logged but stored with the batch.
        error=f"ClickHouse error {code}" if code else type(error).__name__,
    )
    # Not if another process has claimed the batch since: the lease may have ended.
    Batch.objects.filter(id=claim.batch_id, attempts=claim.attempt).update(
        error=str(error)[: parking.ERROR_CHARACTERS], claimed_until=Now() + wait
    )


def _pause(attempt: int) -> float:
    """Return the seconds until the next attempt, less a random part of up to half of them.

    So processes that failed at the same time do not try again at the same time.
    """
    longest = min(_BACKOFF_SECONDS * 2.0 ** min(attempt, 10), _LONGEST_BACKOFF_SECONDS)
    return longest * _random.uniform(0.5, 1)
