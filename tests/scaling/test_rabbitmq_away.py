"""RabbitMQ gone, hanging, full or restarted: 503 before long, and what was accepted is there."""

import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import amqp
import psutil
import pytest
from django.test import Client
from kombu.messaging import Producer

from config import brokers
from config.brokers import rabbitmq
from embedded import ports
from events.models import Dedup
from events.queueing import queue
from importer.tasks import import_uploads
from projects.models import DEFAULT
from tests.events.queueing.workers import worker
from tests.importer.receiving import uploading
from tests.posting import post_some
from tests.samples import event, records
from tests.scaling import rabbit
from tests.scaling.queueing import assert_refused, made, messages
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    rabbit.needs_rabbitmq,
    pytest.mark.usefixtures("stores"),
]


def test_a_broker_that_is_gone_is_503_at_once(client: Client, on_rabbitmq: Any) -> None:
    on_rabbitmq(f"amqp://guest:guest@{ports.HOST}:1//")
    began = time.monotonic()
    assert_refused(post_some(client))
    assert_refused(post_some(client, 1500))
    assert time.monotonic() - began < 3


def test_a_broker_that_never_says_a_word_is_503_before_long(
    client: Client, on_rabbitmq: Any
) -> None:
    with socket.create_server((ports.HOST, 0), backlog=50) as silent:
        on_rabbitmq(f"amqp://guest:guest@{ports.HOST}:{silent.getsockname()[1]}//")
        began = time.monotonic()
        assert_refused(post_some(client))
        assert time.monotonic() - began < 10


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_freezes_is_503_before_long_and_taken_up_again(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    assert post_some(client).status_code == 202
    node = psutil.Process(broker.pid)
    node.suspend()
    try:
        for _ in range(2):
            began = time.monotonic()
            assert_refused(post_some(client))
            assert time.monotonic() - began < 6
    finally:
        node.resume()
    wait_until(lambda: post_some(client).status_code == 202, seconds=30)


@pytest.fixture
def full(impatient: None, broker: rabbit.RabbitMQ) -> Iterator[None]:
    """No memory left, until the test ends."""
    assert broker.ask("set_vm_memory_high_watermark", "0.00001") == ""
    yield
    broker.ask("set_vm_memory_high_watermark", "0.4")
    wait_until(_can_be_sent_to, seconds=30)


def _can_be_sent_to() -> bool:
    try:
        queue.put(events=records([event()]), project=DEFAULT)
    except queue.QueueUnavailable:
        return False
    return True


@pytest.mark.usefixtures("full")
def test_a_broker_with_no_memory_left_is_503_and_an_upload_waits_for_beat(
    client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_FOLDER = tmp_path / "imports"
    assert_refused(post_some(client))
    began = time.monotonic()
    status, taken = uploading.post(client, uploading.csv_of(5))
    assert status == 202
    assert time.monotonic() - began < 5
    assert uploading.shown(client, taken["href"])["state"] == "waiting"
    # A task that the migrations have beat send by and by.
    import_uploads()
    shown = partial(uploading.shown, client, taken["href"])
    wait_until(lambda: shown()["state"] == "done", seconds=30)
    assert shown()["stored"] == 5


@pytest.mark.parametrize("count", [1, 1500])
def test_a_queue_that_takes_no_more_messages_is_503(
    client: Client, broker: rabbit.RabbitMQ, count: int
) -> None:
    made(broker, {"x-max-length": 2, "x-overflow": "reject-publish"})
    statuses = [post_some(client, count).status_code for _ in range(10)]
    assert 202 in statuses
    assert set(statuses) == {202, 503}
    assert_refused(post_some(client, count))


def test_a_message_that_was_refused_is_tried_once_more(
    client: Client, broker: rabbit.RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(broker, {"x-max-length": 2, "x-overflow": "reject-publish"})
    wait_until(lambda: post_some(client).status_code == 503)
    drop = rabbitmq._drop

    def drop_and_make_room(producer: Producer) -> None:
        drop(producer)
        with amqp.Connection(f"{ports.HOST}:{broker.port}") as other:
            other.channel().queue_purge("celery")

    monkeypatch.setattr(rabbitmq, "_drop", drop_and_make_room)
    assert post_some(client, 1500).status_code == 202


def test_restarts_cost_no_accepted_message_and_no_request_after_them(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    assert post_some(client).status_code == 202
    assert post_some(client, 20).status_code == 202
    time.sleep(rabbit.NEW_QUEUE_SECONDS)
    broker.end(signal.SIGKILL)
    assert_refused(post_some(client))
    broker.start()
    wait_until(_can_be_asked, seconds=30)
    assert messages() == 2
    assert post_some(client).status_code == 202
    broker.end(signal.SIGTERM)
    assert_refused(post_some(client))
    with worker():  # there in half the time that the node takes
        broker.start()
        wait_until(lambda: Dedup.objects.count() == 22, seconds=60)
        broker.ask("close_all_connections", "test")
        assert post_some(client).status_code == 202
        wait_until(lambda: Dedup.objects.count() == 23, seconds=60)


def _can_be_asked() -> bool:
    try:
        brokers.current().ping()
    except brokers.ERRORS:
        return False
    return True
