"""The schemas of properties as a process knows them: read in time, without PostgreSQL, and safe."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import psutil
import pytest
from django.db import connection
from django.test import Client

from events.ingest import property_schemas, rejected
from events.models import RejectedEvent
from events.schemas.engine import Judge, SchemaBroken
from projects.models import DEFAULT
from tests.events.refusing import kept, refused_one
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


def test_every_one_of_a_processs_first_requests_is_checked(client: Client) -> None:
    PropertySchemaFactory.create(event_type="buy", schema={"required": ["price"]})
    with ThreadPoolExecutor(8) as pool:
        statuses = [
            answered.result()[0]
            for answered in [pool.submit(post, Client(), event_type="buy") for _ in range(8)]
        ]
    assert statuses == [400] * 8


# --- schemas that can't be used


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address that would give a schema, and the paths that were asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/schema.json", asked
        server.shutdown()
        thread.join()


def reading(address: str) -> list[dict[str, Any]]:
    """Schemas that something would have to be fetched for."""
    return [
        {"$ref": address},
        {"$schema": address},
        {"$id": address, "$ref": "other.json"},
        {"properties": {"a": {"$dynamicRef": f"{address}#a"}}},
    ]


def test_no_schema_makes_a_process_fetch_anything(
    client: Client, listener: tuple[str, list[str]]
) -> None:
    address, asked = listener
    for number, schema in enumerate(reading(address)):
        # Past the admin, which refuses them.
        PropertySchemaFactory.create(event_type=f"type{number}", schema=schema)
    assert [post(client, event_type=f"type{n}")[0] for n in range(4)] == [503] * 4
    assert asked == []


UNUSABLE = {"$ref": "#/$defs/missing"}


def test_events_of_a_type_whose_schema_cant_be_used_are_not_accepted_and_hear_why(
    client: Client,
) -> None:
    PropertySchemaFactory.create(event_type="buy", schema=UNUSABLE)
    answer = client.post("/events", [event(event_type="buy")], content_type="application/json")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    detail = answer.json()["detail"]
    assert "the property schema of 'buy' can't be used: $ref '#/$defs/missing' leads to" in detail
    assert not RejectedEvent.objects.exists()


@pytest.mark.parametrize("schema", [UNUSABLE, [], {"pattern": "(?=a)"}], ids=str)
def test_a_schema_that_cant_be_used_leaves_the_other_types_as_they_are(
    client: Client, schema: Any
) -> None:
    PropertySchemaFactory.create(event_type="buy", schema=schema)
    PropertySchemaFactory.create(event_type="sell", schema={"required": ["price"]})
    assert post(client, event_type="sell")[0] == 400
    assert post(client, event_type="sell", properties={"price": 1})[0] == 202
    assert post(client, event_type="view")[0] == 202


def test_a_schema_that_python_cant_read_leaves_the_other_types_as_they_are(client: Client) -> None:
    PropertySchemaFactory.create(event_type="sell", schema={"required": ["price"]})
    deep = "[" * 1_500 + "]" * 1_500
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO property_schemas (project_id, event_type, schema, enabled) VALUES"
            " (1, 'deep', %s::jsonb, true), (1, 'long', %s::jsonb, true)",
            [deep, "9" * 5_000],
        )
    statuses = [post(client, event_type=name)[0] for name in ("deep", "long", "sell", "view")]
    assert statuses == [503, 503, 400, 202]


def test_an_engine_that_fails_costs_no_event(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_properties: Any) -> None:
        raise SchemaBroken("PanicException: index out of bounds")

    monkeypatch.setattr(property_schemas, "_loaded", {DEFAULT: {"buy": failing}})
    monkeypatch.setattr(property_schemas, "_loaded_at", time.monotonic())
    assert post(client, event_type="buy")[0] == 503


def test_a_rejected_event_whose_schema_cant_be_used_stays_with_the_reason(client: Client) -> None:
    row = refused_one(client, user_id="", event_type="buy")
    PropertySchemaFactory.create(event_type="buy", schema=UNUSABLE)
    property_schemas._loaded_at = float("-inf")
    with pytest.raises(rejected.StillRejected, match="can't be used"):
        rejected.send_again(row, row.raw.replace('"user_id": ""', '"user_id": "u1"'))
    assert RejectedEvent.objects.count() == 1


# --- time


def test_a_pattern_that_python_would_try_for_ever_is_answered(client: Client) -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    PropertySchemaFactory.create(event_type="buy", schema=schema)
    assert post(client, event_type="buy", properties={"a": "a" * 60 + "!"})[0] == 400


def test_a_request_that_takes_schemas_too_long_must_be_sent_in_parts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    PropertySchemaFactory.create(event_type="buy", schema={"type": "object"})
    monkeypatch.setattr(property_schemas, "REQUEST_SECONDS", -1.0)
    answer = client.post("/events", [event(event_type="buy")], content_type="application/json")
    assert answer.status_code == 413
    assert "the time for property schemas ended" in answer.json()["detail"]
    assert [row.code for row in kept(1)] == ["schema_time"]
    assert post(client, event_type="view")[0] == 202


def test_a_schema_is_made_ready_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counted(schema: Any) -> Judge:
        made.append(schema)
        return lambda _properties: None

    monkeypatch.setattr(property_schemas, "judge", counted)
    schema = {"description": "read again every few seconds"}
    PropertySchemaFactory.create(event_type="buy", schema=schema)
    for _ in range(3):
        property_schemas._loaded_at = float("-inf")
        assert post(client, event_type="buy")[0] == 202
    assert made == [schema]
