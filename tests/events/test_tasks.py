"""The periodic tasks: none of them keeps a worker's child from storing."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from analytics import clickhouse
from embedded import ports
from events import tasks
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.samples import event, framed
from tests.waiting import wait_until


@pytest.fixture
def hung_clickhouse(stores: None, settings: Any) -> Iterator[None]:
    """It takes connections and never answers."""
    with socket.create_server((ports.HOST, 0)) as server:
        real, port = settings.CLICKHOUSE_URL, server.getsockname()[1]
        settings.CLICKHOUSE_URL = f"http://default@{ports.HOST}:{port}/default"
        yield
    settings.CLICKHOUSE_URL = real


@pytest.mark.usefixtures("hung_clickhouse")
def test_the_delivery_task_returns_at_once_from_a_clickhouse_that_hangs() -> None:
    store(project=DEFAULT, frames=[framed([event()])], source=Batch.Source.QUEUE)
    began = time.monotonic()
    for _ in range(3):
        tasks.deliver_batches()
    assert time.monotonic() - began < 1
    wait_until(lambda: Batch.objects.get().attempts == 1)


@pytest.mark.usefixtures("stores")
def test_the_delivery_task_has_the_outbox_delivered(monkeypatch: Any) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("events.delivery.background.deliver_soon", lambda *_: None)
        store(project=DEFAULT, frames=[framed([event()])], source=Batch.Source.QUEUE)
    tasks.deliver_batches()
    wait_until(lambda: Batch.objects.get().state == Batch.State.DELIVERED)


@pytest.mark.usefixtures("hung_clickhouse")
def test_a_report_waits_no_longer_than_its_own_limit(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(clickhouse, "MARGIN_SECONDS", 0)
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = 1
    settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS = 60
    began = time.monotonic()
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        engine.query("SELECT 1")
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("stores")
def test_a_report_waits_no_longer_than_that_on_a_connection_that_was_good(
    settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(clickhouse, "MARGIN_SECONDS", -1)
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = 2
    assert engine.query("SELECT 1") == [[1]]
    began = time.monotonic()
    with pytest.raises(clickhouse.ClickHouseUnavailable, match="timed out"):
        engine.query("SELECT sleep(3)")
    assert time.monotonic() - began < 2
