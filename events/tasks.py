"""The Celery tasks. Each task only calls a service."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from config.celery import app
from events.auditing import rezoning
from events.delivery import background
from events.format.records import BLOCK_BYTES
from events.ingest import rejected
from events.lifecycle import deleting, history
from events.queueing.batching import STORE_TASK, BatchTask
from events.storing import hot, intake, purge


@app.task(
    name=STORE_TASK,
    base=BatchTask,
    max_weight=settings.CLICKHOUSE_BATCH_SIZE,
    max_bytes=BLOCK_BYTES,
    ignore_result=True,
)
def store_events(messages: list[list[Any]]) -> None:
    intake.store_messages(messages)


@app.task(name="events.deliver_batches", ignore_result=True, expires=60)
def deliver_batches() -> None:
    # A background thread delivers: while ClickHouse hangs, this process must store messages.
    background.deliver_soon()


@app.task(name="events.make_hot_partitions", ignore_result=True)
def make_hot_partitions() -> None:
    hot.ensure_partitions(now=datetime.now(UTC))


@app.task(name="events.purge_hot_events", ignore_result=True)
def purge_hot_events() -> None:
    purge.purge_hot(now=datetime.now(UTC))


@app.task(name="events.purge_ids", ignore_result=True)
def purge_ids() -> None:
    purge.purge_ids(now=datetime.now(UTC))


@app.task(name="events.purge_batches", ignore_result=True)
def purge_batches() -> None:
    purge.purge_batches(now=datetime.now(UTC))


@app.task(name="events.purge_rejected_events", ignore_result=True)
def purge_rejected_events() -> None:
    rejected.purge(now=datetime.now(UTC))


@app.task(name="events.finish_deletions", ignore_result=True)
def finish_deletions() -> None:
    # A thread does it, because it may take long and this process must store messages.
    deleting.finish_soon()


@app.task(name="events.finish_time_zones", ignore_result=True)
def finish_time_zones() -> None:
    rezoning.finish_soon()


@app.task(name="events.drop_history", ignore_result=True)
def drop_history() -> None:
    # A thread does it, for the same reason.
    history.drop_soon()


@app.task(name="events.vacuum_outbox", ignore_result=True)
def vacuum_outbox() -> None:
    purge.vacuum_outbox()
