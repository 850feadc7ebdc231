"""The schemas of properties as a process knows them: read in time, and without PostgreSQL."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from django.db import connection
from django.test import Client

from events import property_schemas
from tests.factories import PropertySchemaFactory
from tests.samples import event

pytestmark = pytest.mark.usefixtures("rejected_kept", "as_just_started")


@pytest.fixture
def as_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(property_schemas, "_loaded", {})
    monkeypatch.setattr(property_schemas, "_loaded_at", float("-inf"))


@contextmanager
def frozen_postgresql() -> Iterator[None]:
    """All of its processes are there and say nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = psutil.Process(cursor.fetchone()[0]).parent()
    assert server is not None
    family = [server, *server.children()]
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            one.resume()


def post(client: Client, **changes: Any) -> tuple[int, float]:
    """The status, and how many seconds it took."""
    began = time.monotonic()
    answer = client.post("/events", [event(**changes)], content_type="application/json")
    return answer.status_code, time.monotonic() - began


def test_a_postgresql_that_freezes_holds_up_one_request_for_a_moment(client: Client) -> None:
    PropertySchemaFactory.create(event_type="buy", schema={"required": ["price"]})
    assert post(client, event_type="buy")[0] == 400
    property_schemas._loaded_at -= property_schemas._KEPT_SECONDS
    with ThreadPoolExecutor(1) as pool, frozen_postgresql():
        first = pool.submit(post, client).result(timeout=10)
        second = pool.submit(post, client).result(timeout=10)
    assert (first[0], second[0]) == (202, 202)
    assert first[1] < 3
    assert second[1] < 0.5


def test_the_schemas_of_before_hold_while_postgresql_says_nothing(client: Client) -> None:
    PropertySchemaFactory.create(event_type="buy", schema={"required": ["price"]})
    assert post(client, event_type="buy")[0] == 400
    property_schemas._loaded_at -= property_schemas._KEPT_SECONDS
    loaded = property_schemas._loaded
    with frozen_postgresql():
        assert property_schemas._judges() is loaded


def test_of_a_processs_first_requests_none_goes_unchecked(client: Client) -> None:
    PropertySchemaFactory.create(event_type="buy", schema={"required": ["price"]})
    with ThreadPoolExecutor(8) as pool:
        statuses = [
            answered.result()[0]
            for answered in [pool.submit(post, Client(), event_type="buy") for _ in range(8)]
        ]
    assert statuses == [400] * 8
