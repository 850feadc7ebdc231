"""A message on Redis' queue has the form that Celery and Kombu give it, field by field."""

import json
from base64 import b64decode
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.test import Client
from kombu import pools
from kombu.connection import Connection
from kombu.utils.uuid import uuid

from config import brokers
from events.queueing import backpressure
from events.queueing.batching import STORE_TASK
from tests.config.brokers.consuming import QUEUE, consume
from tests.faults.proxy import Mode, Proxy
from tests.posting import post_some
from tests.scaling.queueing import assert_refused

BOTH_WAYS = True

ARGUMENTS = ("ZnJhbWU=", 7)
ABOUT = {"weight": 3, "bytes": 900, "at": 1796000000.25, "request_ids": ["a-1", "b.2"]}
# Each message has its own.
_OWN = ("id", "root_id", "correlation_id", "delivery_tag", "expires")


def kombus() -> None:
    """The same task, sent by Kombu's producer."""
    task = current_app.amqp.as_task_v2(
        uuid(), STORE_TASK, args=ARGUMENTS, expires=60.0, argsrepr="", kwargsrepr=""
    )
    with current_app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            task.body,
            exchange="",
            routing_key=QUEUE,
            serializer="json",
            headers={**task.headers, **ABOUT},
            **task.properties,
        )


def fields(item: bytes) -> dict[str, Any]:
    """What is in a message, flat, with its body decoded. What differs is only its type."""
    message = json.loads(item)
    headers, properties = message.pop("headers"), message.pop("properties")
    body = json.loads(b64decode(message.pop("body")))
    flat = {**message, **{f"header {n}": v for n, v in headers.items()}, **properties, "body": body}
    return {
        name: type(value) if name.removeprefix("header ") in _OWN else value
        for name, value in flat.items()
    }


def test_a_message_is_field_by_field_what_kombu_itself_writes(redis: Any) -> None:
    brokers.send(STORE_TASK, ARGUMENTS, headers=ABOUT, expires=60.0)
    kombus()
    theirs, ours = redis.lrange(QUEUE, 0, -1)
    assert fields(ours) == fields(theirs)


def test_a_message_has_all_that_celery_gives_a_task(redis: Any) -> None:
    brokers.send(STORE_TASK, ARGUMENTS)
    current_app.send_task(STORE_TASK, ARGUMENTS)
    theirs, ours = (json.loads(item) for item in redis.lrange(QUEUE, 0, -1))
    assert ours["headers"].keys() == theirs["headers"].keys()
    assert ours["properties"].keys() == theirs["properties"].keys()
    assert ours["properties"]["delivery_info"] == theirs["properties"]["delivery_info"]


def test_a_consumer_reads_both_as_the_same(redis: Any, consumer: Connection) -> None:
    brokers.send(STORE_TASK, ARGUMENTS, headers=ABOUT, expires=60.0)
    kombus()
    ours, theirs = consume(consumer)
    assert ours.payload == theirs.payload == [list(ARGUMENTS), {}, ours.payload[2]]
    assert ours.headers["request_ids"] == ABOUT["request_ids"]
    for message in (ours, theirs):
        message.ack()


# --- Redis gone in the middle


@pytest.fixture
def door(settings: Any, monkeypatch: Any) -> Any:
    """The way to the broker, which can be shut. The queue is not looked at, and has room."""
    monkeypatch.setattr(backpressure, "_next_look", float("inf"))
    monkeypatch.setattr(backpressure, "_reason", "")
    port = urlsplit(settings.CELERY_BROKER_URL).port or 6379
    proxy = Proxy(port)
    url = settings.CELERY_BROKER_URL.replace(f":{port}/", f":{proxy.port}/")
    with current_app.connection_for_write(url) as connection:
        monkeypatch.setattr(current_app.amqp, "_producer_pool", pools.producers[connection])
        yield proxy
    proxy.close()


@pytest.mark.usefixtures("stores")
def test_a_redis_that_goes_before_the_message_is_503_and_nothing_is_queued(
    client: Client, door: Proxy, redis: Any
) -> None:
    assert post_some(client).status_code == 202
    door.mode = Mode.GONE
    assert_refused(post_some(client))
    assert redis.llen(QUEUE) == 1
    door.mode = Mode.OPEN
    assert post_some(client).status_code == 202
    assert redis.llen(QUEUE) == 2


@pytest.mark.usefixtures("stores")
def test_a_redis_that_goes_before_its_answer_is_503_and_the_message_was_sent_once(
    client: Client, door: Proxy, redis: Any
) -> None:
    assert post_some(client).status_code == 202
    door.mode = Mode.CUT
    assert_refused(post_some(client))
    assert redis.llen(QUEUE) == 2
