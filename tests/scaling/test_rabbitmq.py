"""RabbitMQ by URL alone: 202 only for what is on its disk, and what a worker held comes back."""

import time
from typing import Any

import amqp
import pytest
from amqp.exceptions import AMQPError, NotFound
from celery import current_app
from django.db import connection
from django.test import Client
from kombu.messaging import Producer

from analytics import clickhouse as engine
from config.brokers import rabbitmq
from config.building_blocks.together import _Part
from embedded import ports
from events.models import Batch, Dedup
from events.queueing import queue
from projects.models import DEFAULT
from tests.events.monitoring.exposed import samples
from tests.events.queueing.workers import worker
from tests.meanwhile import waiting_for_locks
from tests.posting import post_some
from tests.samples import event, records
from tests.scaling import rabbit
from tests.scaling.queueing import assert_refused, made, messages
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    rabbit.needs_rabbitmq,
    pytest.mark.usefixtures("stores"),
]


def raw(body: Any, **properties: Any) -> None:
    """Something on the queue that is not of this service."""
    with current_app.connection_for_write() as broker:
        Producer(broker).publish(body, exchange="", routing_key="celery", **properties)


def is_there(node: rabbit.RabbitMQ) -> bool:
    with amqp.Connection(f"{ports.HOST}:{node.port}") as other:
        try:
            other.channel().queue_declare("celery", passive=True)
        except NotFound:
            return False
    return True


def held_up(cursor: Any) -> None:
    """Stores wait for this lock."""
    cursor.execute("BEGIN")
    cursor.execute("LOCK TABLE dedup IN ACCESS EXCLUSIVE MODE")


@pytest.mark.usefixtures("broker")
def test_what_is_posted_arrives_in_clickhouse_and_is_acknowledged(
    client: Client, node: rabbit.RabbitMQ
) -> None:
    assert post_some(client, 1500).status_code == 202
    assert post_some(client).status_code == 202
    with worker():
        wait_until(lambda: Dedup.objects.count() == 1501, seconds=60)
        deliver_all()
        wait_until(lambda: node.held() == 0)
    assert engine.query("SELECT count(), uniqExact(event_id) FROM events", project=DEFAULT) == [
        [1501, 1501]
    ]


def test_the_queue_is_durable_and_replicated_where_there_are_several_nodes(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    post_some(client)
    said = broker.ask("list_queues", "--no-table-headers", "name", "durable", "type")
    assert said == "celery\ttrue\tquorum\n"


@pytest.mark.usefixtures("broker")
def test_requests_that_come_together_share_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [queue.Wanted(DEFAULT, records([event()]), "") for _ in range(30)]
    gathered: list[_Part[queue.Wanted, None]] = [_Part(one) for one in wanted]
    monkeypatch.setattr(queue._send_together, "_parts", gathered)
    queue.put(events=records([event()]), project=DEFAULT)
    assert all(part.is_done and part.result is None for part in gathered)
    assert messages() == 1


@pytest.mark.usefixtures("broker")
def test_a_queue_that_was_deleted_is_made_anew_and_the_message_put_on_it(client: Client) -> None:
    assert post_some(client).status_code == 202
    with current_app.connection_for_write() as other:
        other.default_channel.queue_delete("celery")
    queue.put(events=records([event()]), project=DEFAULT)
    assert messages() == 1


@pytest.mark.usefixtures("broker")
def test_what_no_queue_takes_is_an_error_and_leaves_no_confirmation_for_the_next() -> None:
    headers = {"weight": 1}
    nowhere = {"exchange": "", "routing_key": "nowhere", "headers": headers, "serializer": "json"}
    for _ in range(3):
        with pytest.raises(AMQPError, match="NO_ROUTE"):
            rabbitmq.publish([], nowhere)


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


def test_a_queue_that_is_there_is_used_as_it_was_made(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    """By another version of RabbitMQ, or with what somebody wanted of it."""
    made(broker, {"x-max-length": 1_000_000})
    assert post_some(client).status_code == 202
    with current_app.connection_for_write() as other:
        channel = other.default_channel
        channel.connection.server_properties["version"] = "4.1.0"
        assert current_app.amqp.queues["celery"](channel).queue_declare().message_count == 1
    with worker():
        wait_until(lambda: Dedup.objects.count() == 1, seconds=60)


@pytest.mark.usefixtures("broker")
def test_a_message_is_persistent(client: Client) -> None:
    post_some(client)
    with current_app.connection_for_read() as other:
        message = other.default_channel.basic_get("celery")
        assert message.properties["delivery_mode"] == 2


# --- workers


def test_what_a_killed_worker_held_is_stored_by_the_next(
    client: Client, broker: rabbit.RabbitMQ
) -> None:
    with worker():
        post_some(client)
        wait_until(lambda: Dedup.objects.count() == 1, seconds=60)
        with connection.cursor() as cursor:
            held_up(cursor)
            for _ in range(20):
                queue.put(events=records([event()]), project=DEFAULT)
            wait_until(waiting_for_locks, seconds=60)
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
        post_some(client)
        wait_until(lambda: Dedup.objects.count() == 1, seconds=60)
        with connection.cursor() as cursor:
            held_up(cursor)
            for _ in range(20):
                queue.put(events=records([event()]), project=DEFAULT)
            wait_until(waiting_for_locks, seconds=60)
            for child in process.children():
                child.kill()
            cursor.execute("ROLLBACK")
        wait_until(lambda: Dedup.objects.count() == 21, seconds=60)
        wait_until(lambda: broker.held() == 0, seconds=60)


def test_a_worker_holds_no_more_than_it_may_even_if_it_made_the_queue(
    broker: rabbit.RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_PREFETCH", "5")
    with connection.cursor() as cursor, worker():
        held_up(cursor)
        wait_until(lambda: is_there(broker), seconds=60)
        for _ in range(30):
            queue.put(events=records([event()]), project=DEFAULT)
        wait_until(lambda: messages() <= 20, seconds=60)
        time.sleep(1)
        assert messages() == 20  # 2 children, 5 each
        cursor.execute("ROLLBACK")
        wait_until(lambda: Dedup.objects.count() == 30, seconds=60)


TASK = {"task": "events.store_events", "id": "1", "lang": "py"}


@pytest.mark.usefixtures("broker")
def test_junk_on_the_queue_harms_nobody(client: Client, node: rabbit.RabbitMQ) -> None:
    post_some(client)
    raw(b"\xff\x00", content_type="application/octet-stream", content_encoding="binary")
    raw("no JSON", content_type="application/json", content_encoding="utf-8")
    raw({}, headers={"task": "no such task", "id": "1"})
    raw([], headers=TASK)
    raw([["no frame"], {}, {}], headers=TASK)
    for header in ({"weight": "many"}, {"bytes": "large"}, {"request_ids": 5}, {"weight": None}):
        raw([["no frame"], {}, {}], headers={**TASK, **header})
    raw("x", headers=TASK, content_type="application/x-python-serialize")
    post_some(client)
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
        if (answer := post_some(client, 90)).status_code != 202:
            break
    assert_refused(answer)
    assert answer.json()["type"].endswith("#temporary-reduced-capacity")
    assert 2 <= messages() <= 5
    with worker():
        wait_until(lambda: messages() == 0, seconds=60)
        assert post_some(client).status_code == 202


@pytest.mark.usefixtures("broker")
def test_metrics_and_readiness_name_rabbitmq_and_no_age(client: Client) -> None:
    post_some(client)
    now = samples(client)
    assert now["events_queue_messages"] == 1
    assert now['store_up{store="rabbitmq"}'] == 1
    assert "events_queue_age_seconds" not in now
    assert 'redis_memory_bytes{store="rabbitmq"}' not in now
    assert client.get("/ready").json()["stores"]["rabbitmq"] == "ok"
