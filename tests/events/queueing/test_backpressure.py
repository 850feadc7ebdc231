"""Backpressure: a queue that is full, gone or silent refuses at the door and recovers by itself."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest
from celery import current_app
from django.db import DataError, IntegrityError, OperationalError, connection
from django.test import Client
from django_redis import get_redis_connection
from kombu import pools
from redis.exceptions import RedisError

from events.models import Batch, Dedup
from events.queueing import backpressure, queue
from events.storing import store
from projects.models import DEFAULT
from tests.posting import post_some
from tests.samples import event, records
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")
BOTH_WAYS = True


@pytest.fixture(autouse=True)
def _a_fresh_look_each_time(monkeypatch: Any) -> None:
    monkeypatch.setattr(backpressure, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(backpressure, "_next_look", 0.0)
    monkeypatch.setattr(backpressure, "_reason", "")


def assert_refused(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer["Content-Type"] == "application/problem+json"
    return dict(answer.json())


@contextmanager
def redis_with(memory: int) -> Iterator[Any]:
    server = get_redis_connection("default")
    before = server.config_get("maxmemory")["maxmemory"]
    server.config_set("maxmemory", memory)
    try:
        yield server
    finally:
        server.config_set("maxmemory", before)


def test_a_full_queue_refuses_with_its_own_problem_type(client: Client, settings: Any) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    assert post_some(client, 90).status_code == 202
    assert post_some(client, 90).status_code == 202
    problem = assert_refused(post_some(client))
    assert problem["type"].endswith("#temporary-reduced-capacity")
    assert "180 events" in problem["detail"]


def test_accepting_resumes_when_the_queue_is_shorter(client: Client, settings: Any) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    post_some(client, 150)
    assert_refused(post_some(client))
    get_redis_connection("default").delete("celery")
    assert post_some(client).status_code == 202


def test_what_a_worker_holds_counts_too(client: Client, settings: Any) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    post_some(client, 60)
    post_some(client, 60)
    with current_app.connection_for_read() as broker:
        simple = broker.SimpleQueue("celery")
        simple.get(timeout=5)
        assert_refused(post_some(client))


def test_a_full_queue_refuses_no_request_that_waits(client: Client, settings: Any) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    post_some(client, 150)
    assert post_some(client, 2, "?wait=true").status_code == 200


@pytest.mark.parametrize(
    "item",
    [
        *(b"no JSON", b"\xff", b"[]", b"5", b"{}", b'{"headers": null}', b'{"headers": []}'),
        *(b'{"headers": {"weight": "many"}}', b'{"headers": {"weight": 1e999}}', b"[" * 100_000),
        *(b'{"headers": {"weight": 1e300}}', b'{"headers": {"weight": -5}}'),
    ],
)
def test_an_item_of_the_queue_that_is_no_message_stops_no_request(
    client: Client, settings: Any, item: bytes
) -> None:
    settings.QUEUE_LIMIT_EVENTS = 100
    get_redis_connection("default").lpush("celery", item)
    assert post_some(client, 99).status_code == 202
    assert post_some(client, 51).status_code == 202
    assert "151 events" in assert_refused(post_some(client))["detail"]


def test_one_look_serves_all_until_the_next_is_due(monkeypatch: Any) -> None:
    monkeypatch.setattr(backpressure, "_LOOK_SECONDS", 600.0)
    looks = MagicMock(wraps=backpressure.load)
    monkeypatch.setattr(backpressure, "load", looks)
    for _ in range(50):
        queue.put(events=records([event()]), project=DEFAULT)
    assert looks.call_count == 1


def test_a_redis_whose_memory_is_nearly_used_up_refuses_before_it_is(client: Client) -> None:
    used = get_redis_connection("default").info("memory")["used_memory"]
    with redis_with(memory=int(used * 1.1)):
        assert "memory" in assert_refused(post_some(client))["detail"]
    assert post_some(client).status_code == 202


# --- the broker gone or silent


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that lets everyone in and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture
def broker_at(settings: Any) -> Iterator[Any]:
    real = settings.CELERY_BROKER_URL

    def use(url: str) -> None:
        settings.CELERY_BROKER_URL = url
        pools.reset()
        current_app._pool = current_app.amqp._producer_pool = None

    yield lambda port: use(f"redis://127.0.0.1:{port}/0")
    use(real)


def test_a_broker_that_is_gone_is_503_at_once(client: Client, broker_at: Any) -> None:
    broker_at(1)
    began = time.monotonic()
    assert_refused(post_some(client))
    assert_refused(post_some(client, 1500))
    assert time.monotonic() - began < 2


def test_a_broker_that_says_nothing_is_503_before_long(
    client: Client, broker_at: Any, silent: int, settings: Any
) -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options["socket_timeout"] == 5
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {**options, "socket_timeout": 1}
    broker_at(silent)
    began = time.monotonic()
    assert_refused(post_some(client))
    assert time.monotonic() - began < 4


def test_a_broker_out_of_memory_is_503_and_nothing_is_half_accepted(client: Client) -> None:
    with redis_with(memory=1) as server:
        assert_refused(post_some(client, 2500))
        assert server.llen("celery") == 0


def test_all_clients_of_a_refused_message_get_503(monkeypatch: Any) -> None:
    # As if the memory had been used up since the last look.
    monkeypatch.setattr(backpressure, "_next_look", time.monotonic() + 600)
    with redis_with(memory=1) as server, ThreadPoolExecutor(4) as threads:
        with queue._send_together._working:
            answers = [threads.submit(post_some, Client()) for _ in range(4)]
            wait_until(lambda: len(queue._send_together._parts) == 4)
        for answer in answers:
            assert_refused(answer.result())
        assert server.llen("celery") == 0


def test_where_nobody_can_say_how_full_the_queue_is_nothing_is_put_on_it(
    client: Client, monkeypatch: Any
) -> None:
    def silent() -> None:
        raise RedisError("no answer")

    monkeypatch.setattr(backpressure, "load", silent)
    assert_refused(post_some(client))
    assert get_redis_connection("default").llen("celery") == 0


# --- PostgreSQL gone


def test_waiting_for_a_postgresql_that_is_gone_is_503_and_stores_nothing(
    client: Client, monkeypatch: Any
) -> None:
    real = store._insert_batch

    def cut_off(*given: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        real(*given)

    monkeypatch.setattr(store, "_insert_batch", cut_off)
    assert "not known whether" in assert_refused(post_some(client, 3, "?wait=true"))["detail"]
    monkeypatch.undo()
    assert not Dedup.objects.exists()
    assert not Batch.objects.exists()
    assert post_some(client, 3, "?wait=true").json()["accepted"] == 3


def test_a_commit_whose_answer_was_lost_is_said_to_be_unsure_and_can_be_repeated(
    client: Client, monkeypatch: Any
) -> None:
    body = json.dumps([event() for _ in range(3)])
    wrapper: Any = connection
    real = wrapper._commit

    def lost() -> None:
        real()
        raise OperationalError("the connection was lost")

    def send() -> Any:
        return client.post("/events?wait=true", body, content_type="application/json")

    with monkeypatch.context() as during:
        during.setattr(connection, "_commit", lost)
        detail = assert_refused(send())["detail"]
    assert "not known whether the events were stored" in detail
    assert "again with the same ids is safe" in detail
    assert (send().json()["duplicates"], Dedup.objects.count()) == (3, 3)


@pytest.mark.parametrize("error", [DataError, IntegrityError, psycopg.DataError])
def test_a_fault_of_ours_in_the_store_is_not_put_on_postgresql(
    client: Client, monkeypatch: Any, error: type[Exception], caplog: Any
) -> None:
    def refused(*given: Any) -> None:
        raise error("value out of range")

    monkeypatch.setattr(store, "_insert_batch", refused)
    client.raise_request_exception = False
    answer = post_some(client, 3, "?wait=true")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert "value out of range" not in answer.content.decode()
    assert "value out of range" in caplog.text
