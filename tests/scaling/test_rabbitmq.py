"""RabbitMQ by URL alone: 202 only for what is on its disk, and what a worker held comes back."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amqp.exceptions import AMQPError
from celery import current_app
from django.db import connection
from django.test import Client
from kombu.messaging import Producer

from analytics import clickhouse as engine
from config import brokers
from config.brokers import rabbitmq
from embedded import ports
from embedded.processes import Process
from events import queue
from events.models import Batch, Dedup
from tests.events.test_batching import worker
from tests.events.test_exposition import samples
from tests.samples import event, records
from tests.scaling import rabbit
from tests.waiting import deliver_all, wait_until

pytestmark = [
    pytest.mark.production,
    rabbit.needs_rabbitmq,
    pytest.mark.usefixtures("stores"),
]


def post(client: Client, count: int = 1) -> Any:
    body = json.dumps([event() for _ in range(count)])
    return client.post("/events", body, content_type="application/json")


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 503, answer.content
    assert int(answer["Retry-After"]) > 0


def messages() -> int:
    return brokers.current().waiting().messages


def raw(body: Any, **properties: Any) -> None:
    """Something on the queue that is not of this service."""
    with current_app.connection_for_write() as broker:
        Producer(broker).publish(body, exchange="", routing_key="celery", **properties)


def held_up(cursor: Any) -> None:
    """Stores wait for this lock."""
    cursor.execute("BEGIN")
    cursor.execute("LOCK TABLE dedup IN ACCESS EXCLUSIVE MODE")


def wait_until_held_up(cursor: Any) -> None:
    def waits() -> bool:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0]) > 0

    wait_until(waits, seconds=60)


@pytest.mark.usefixtures("broker")
def test_what_is_posted_arrives_in_clickhouse_and_is_acknowledged(
    client: Client, node: rabbit.RabbitMQ
) -> None:
    assert post(client, 1500).status_code == 202
    assert post(client).status_code == 202
    with worker():
        wait_until(lambda: Dedup.objects.count() == 1501, seconds=60)
        deliver_all()
        wait_until(lambda: node.held() == 0)
    assert engine.query("SELECT count(), uniqExact(event_id) FROM events") == [[1501, 1501]]


def test_the_queue_is_durable_and_replicated_where_there_are_several_nodes(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    post(client)
    said = broker.ask("list_queues", "--no-table-headers", "name", "durable", "type")
    assert said == "celery\ttrue\tquorum\n"


@pytest.mark.usefixtures("broker")
def test_requests_that_come_together_share_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = [queue._Waiting(records([event()])) for _ in range(30)]
    monkeypatch.setattr(queue, "_gathered", gathered)
    queue.put(events=records([event()]))
    assert all(waiting.sent for waiting in gathered)
    assert messages() == 1


@pytest.mark.usefixtures("broker")
def test_a_queue_that_was_deleted_is_made_anew_and_the_message_put_on_it(client: Client) -> None:
    assert post(client).status_code == 202
    with current_app.connection_for_write() as other:
        other.default_channel.queue_delete("celery")
    queue.put(events=records([event()]))
    assert messages() == 1


@pytest.mark.usefixtures("broker")
def test_what_no_queue_takes_is_an_error_and_leaves_no_confirmation_for_the_next() -> None:
    headers = {"weight": 1}
    nowhere = {"exchange": "", "routing_key": "nowhere", "headers": headers, "serializer": "json"}
    with current_app.producer_pool.acquire(block=True) as producer:
        for _ in range(3):
            with pytest.raises(AMQPError, match="NO_ROUTE"):
                rabbitmq.publish(producer, [], nowhere)


def test_from_version_4_on_no_message_is_dropped_for_coming_back_often(
    broker: rabbit.RabbitMQ,
) -> None:
    """As far as a node of before it can show: the queue is made so for whoever says it is one."""
    limit = '"x-delivery-limit",-1'
    queue_of_events = current_app.amqp.queues["celery"]
    with current_app.connection_for_write() as other:
        channel = other.default_channel
        queue_of_events(channel).queue_declare()
        assert limit not in broker.ask("list_queues", "name", "arguments")
        channel.queue_delete("celery")
        channel.connection.server_properties["version"] = "4.1.0"
        queue_of_events(channel).queue_declare()
        assert limit in broker.ask("list_queues", "name", "arguments")


@pytest.mark.usefixtures("broker")
def test_a_message_is_persistent(client: Client) -> None:
    post(client)
    with current_app.connection_for_read() as other:
        message = other.default_channel.basic_get("celery")
        assert message.properties["delivery_mode"] == 2


# --- RabbitMQ away, hanging or full


@pytest.fixture
def own(tmp_path: Path) -> Iterator[rabbit.RabbitMQ]:
    """A node of the test's own, not started yet."""
    with rabbit.prepared(tmp_path / "rabbitmq") as node:
        yield node


def test_a_broker_that_is_gone_is_503_at_once(client: Client, on_rabbitmq: Any) -> None:
    on_rabbitmq(f"amqp://guest:guest@{ports.HOST}:1//")
    began = time.monotonic()
    assert_refused(post(client))
    assert_refused(post(client, 1500))
    assert time.monotonic() - began < 3


def test_a_broker_that_never_says_a_word_is_503_before_long(
    client: Client, on_rabbitmq: Any
) -> None:
    with socket.create_server((ports.HOST, 0), backlog=50) as silent:
        on_rabbitmq(f"amqp://guest:guest@{ports.HOST}:{silent.getsockname()[1]}//")
        began = time.monotonic()
        assert_refused(post(client))
        assert time.monotonic() - began < 10


def test_a_broker_that_freezes_is_503_before_long_and_taken_up_again(
    client: Client, own: rabbit.RabbitMQ, on_rabbitmq: Any
) -> None:
    on_rabbitmq(own.url)
    with Process(own.program()) as process:
        assert post(client).status_code == 202
        node = psutil.Process(process.process.pid)  # type: ignore[union-attr]
        node.suspend()
        try:
            for _ in range(2):
                began = time.monotonic()
                assert_refused(post(client))
                assert time.monotonic() - began < 12
        finally:
            node.resume()
        wait_until(lambda: post(client).status_code == 202, seconds=30)


def test_a_broker_with_no_memory_left_is_503_until_it_has_some(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    assert post(client).status_code == 202
    broker.ask("set_vm_memory_high_watermark", "0.00001")
    try:
        time.sleep(1)
        assert_refused(post(client))
    finally:
        broker.ask("set_vm_memory_high_watermark", "0.4")
    wait_until(lambda: post(client).status_code == 202, seconds=30)


def test_a_restart_costs_no_accepted_message_and_no_request_after_it(
    client: Client, own: rabbit.RabbitMQ, on_rabbitmq: Any
) -> None:
    on_rabbitmq(own.url)
    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM)):
        with Process(own.program()) as process:
            wait_until(lambda: post(client).status_code == 202, seconds=30)
            assert post(client, 20).status_code == 202
            assert messages() == 2 * (number + 1)
            time.sleep(rabbit.NEW_QUEUE_SECONDS)
            os.kill(process.process.pid, end)  # type: ignore[union-attr]
            process.process.wait(60)  # type: ignore[union-attr]
        assert_refused(post(client))
    with Process(own.program()):
        wait_until(_can_be_asked, seconds=30)
        assert messages() == 4
        assert post(client).status_code == 202


def _can_be_asked() -> bool:
    try:
        brokers.current().ping()
    except brokers.ERRORS:
        return False
    return True


# --- workers


def test_what_a_killed_worker_held_is_stored_by_the_next(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    with worker():
        post(client)
        wait_until(lambda: Dedup.objects.count() == 1, seconds=60)
        with connection.cursor() as cursor:
            held_up(cursor)
            for _ in range(20):
                queue.put(events=records([event()]))
            wait_until_held_up(cursor)
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")
    assert Dedup.objects.count() == 1
    wait_until(lambda: messages() == 20)
    with worker():
        wait_until(lambda: Dedup.objects.count() == 21, seconds=60)
        wait_until(lambda: broker.held() == 0, seconds=60)


def test_what_a_killed_child_held_is_stored_by_another(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    with worker() as process:
        post(client)
        wait_until(lambda: Dedup.objects.count() == 1, seconds=60)
        with connection.cursor() as cursor:
            held_up(cursor)
            for _ in range(20):
                queue.put(events=records([event()]))
            wait_until_held_up(cursor)
            for child in process.children():
                child.kill()
            cursor.execute("ROLLBACK")
        wait_until(lambda: Dedup.objects.count() == 21, seconds=60)
        wait_until(lambda: broker.held() == 0, seconds=60)


def test_no_more_is_with_a_worker_than_it_may_hold(
    client: Client, node: rabbit.RabbitMQ, broker: rabbit.RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_PREFETCH", "5")
    with connection.cursor() as cursor:
        held_up(cursor)
        for _ in range(30):
            queue.put(events=records([event()]))
        with worker():
            wait_until(lambda: messages() <= 20, seconds=60)
            time.sleep(1)
            assert messages() == 20  # 2 children, 5 each
            cursor.execute("ROLLBACK")
            wait_until(lambda: Dedup.objects.count() == 30, seconds=60)


def test_a_worker_that_starts_before_the_broker_or_loses_it_comes_back(
    client: Client, own: rabbit.RabbitMQ, on_rabbitmq: Any
) -> None:
    on_rabbitmq(own.url)
    with worker():
        time.sleep(2)
        for number in (1, 2):
            with Process(own.program()) as process:
                wait_until(lambda: post(client).status_code == 202, seconds=30)
                wait_until(lambda n=number: Dedup.objects.count() == n, seconds=60)  # type: ignore[misc]
                os.kill(process.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
                process.process.wait(60)  # type: ignore[union-attr]


TASK = {"task": "events.store_events", "id": "1", "lang": "py"}


@pytest.mark.usefixtures("broker")
def test_junk_on_the_queue_harms_nobody(client: Client, node: rabbit.RabbitMQ) -> None:
    post(client)
    raw(b"\xff\x00", content_type="application/octet-stream", content_encoding="binary")
    raw("no JSON", content_type="application/json", content_encoding="utf-8")
    raw({}, headers={"task": "no such task", "id": "1"})
    raw([], headers=TASK)
    raw([["no frame"], {}, {}], headers=TASK)
    for header in ({"weight": "many"}, {"bytes": "large"}, {"request_ids": 5}, {"weight": None}):
        raw([["no frame"], {}, {}], headers={**TASK, **header})
    raw("x", headers=TASK, content_type="application/x-python-serialize")
    post(client)
    with worker():
        wait_until(lambda: Dedup.objects.count() == 2, seconds=60)
        wait_until(lambda: node.held() == 0, seconds=60)
    # What names our task is set aside for a person.
    assert Batch.objects.filter(state=Batch.State.UNSTORED).exists()


# --- how full it is


@pytest.mark.usefixtures("broker")
def test_past_the_limit_is_503_until_the_queue_is_shorter(client: Client, settings: Any) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    for _ in range(40):
        if (answer := post(client, 90)).status_code != 202:
            break
    assert_refused(answer)
    assert answer.json()["type"].endswith("#temporary-reduced-capacity")
    assert 2 <= messages() <= 5
    with worker():
        wait_until(lambda: messages() == 0, seconds=60)
        assert post(client).status_code == 202


@pytest.mark.usefixtures("broker")
def test_metrics_and_readiness_name_rabbitmq_and_no_age(client: Client) -> None:
    post(client)
    now = samples(client)
    assert now["events_queue_messages"] == 1
    assert now['store_up{store="rabbitmq"}'] == 1
    assert "events_queue_age_seconds" not in now
    assert 'redis_memory_bytes{store="rabbitmq"}' not in now
    assert client.get("/ready").json()["stores"]["rabbitmq"] == "ok"
