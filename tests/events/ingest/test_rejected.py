"""What is refused at the door is kept with its reason, within bounds."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from events.ingest import property_schemas, rejected
from events.models import RejectedEvent
from tests.events.refusing import kept, refused_one
from tests.factories import PropertySchemaFactory
from tests.posting import post
from tests.samples import event
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("rejected_kept")


# --- kept


def test_a_refused_event_is_kept_with_its_reason_its_client_and_its_text(client: Client) -> None:
    bad = event(occurred_at="yesterday")
    post(Client(REMOTE_ADDR="192.0.2.7"), [event(), bad])
    [row] = kept(1)
    assert json.loads(row.raw) == bad
    assert (row.client, row.position, row.event_id) == ("192.0.2.7", 1, bad["event_id"])
    assert (row.field, row.code) == ("occurred_at", "format")
    assert "ISO 8601" in row.message
    assert row.raw_bytes == len(row.raw)


def test_what_breaks_the_schema_of_its_type_is_kept_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(property_schemas, "_KEPT_SECONDS", 0.0)
    PropertySchemaFactory.create(event_type="buy", schema={"required": ["price"]})
    wait_until(lambda: post(client, [event(event_type="buy")]).status_code == 400, seconds=10)
    wait_until(RejectedEvent.objects.exists)
    assert {row.code for row in RejectedEvent.objects.all()} == {"schema"}


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"5",
            b'"text"',
            b'{"event_id": "x"}',
            b'{"a": "\\ud800"}',
            b'{"a": "\\u0000", "b":  1 }',
        ),
        *(b'{"a": "\\ud83d\\ude00\\udfff"}', b"[1, [2]]", b"null"),
    ],
)
def test_the_text_is_the_one_that_was_sent(client: Client, raw: bytes) -> None:
    good = json.dumps(event()).encode()
    post(client, b"[ " + b" ,\n".join([good, raw, good, raw]) + b"]")
    assert [(row.position, row.raw.encode()) for row in kept(2)] == [(1, raw), (3, raw)]


@pytest.mark.parametrize(
    ("body", "code", "shown"),
    [
        (b'{"events": [', "json", '{"events": ['),
        (b"\xff\0", "json", r"\xff\x00"),
        (b'{"event": []}', "shape", '{"event": []}'),
        (b"[" + b"1," * 10_000 + b"1]", "too_many_events", "[" + "1," * 10_000 + "1]"),
    ],
)
def test_a_body_refused_as_a_whole_is_kept(
    client: Client, body: bytes, code: str, shown: str
) -> None:
    assert post(client, body).status_code in (400, 413)
    [row] = kept(1)
    assert (row.code, row.position, row.raw) == (code, None, shown)


def test_only_the_beginning_of_a_very_long_event_is_kept(client: Client) -> None:
    row = refused_one(client, properties={"a": "x" * 1_000_000})
    assert len(row.raw) == rejected.MAX_RAW_BYTES
    assert row.raw_bytes > 1_000_000


def test_refusing_waits_for_no_postgresql_and_nothing_is_forgotten(
    client: Client, monkeypatch: Any
) -> None:
    def down(rows: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as during:
        during.setattr(rejected, "_copy", down)
        assert post(client, [event(user_id="")]).status_code == 400
        wait_until(lambda: rejected._waiting)
    [row] = kept(1)
    assert row.field == "user_id"


def test_what_waits_in_memory_is_bounded(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(rejected, "_WAITING_BYTES", 10_000)
    post(client, [event(user_id="") for _ in range(100)])
    wait_until(lambda: RejectedEvent.objects.exists() and not rejected._waiting)
    positions = list(RejectedEvent.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(len(positions)))
    assert 5 < len(positions) < 20


def test_the_reasons_that_wait_in_memory_count_too(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(rejected, "_WAITING_BYTES", 50_000)
    post(client, [5] * 300)
    wait_until(lambda: RejectedEvent.objects.exists() and not rejected._waiting)
    assert 50 < RejectedEvent.objects.count() < 150


@pytest.mark.parametrize(
    "body",
    [
        b'{"%s": 1}' % (b"k" * 10_000_000),
        b'[{"%s": 1}]' % (b"k" * 10_000_000),
        json.dumps([event(properties=...)])[:-2].encode()
        + b', "properties": {"%s": 1, "%s": 1}}]' % (b"k" * 30_000, b"k" * 30_000),
        json.dumps(
            [event(user_id="\U000e0001" * 1_000, occurred_at="\U000e0001" * 1_000)]
        ).encode(),
    ],
)
def test_a_reason_quotes_no_more_than_a_line_of_what_was_sent(client: Client, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert len(answer.content) < 2_500
    [row] = kept(1)
    assert 0 < len(row.message) < 600
    assert len(row.field) <= 200


# --- bounded


def test_the_newest_are_kept_within_the_bound_of_rows(client: Client, settings: Any) -> None:
    settings.REJECTED_MAX_ROWS = 20
    for name in ("first", "second"):
        post(client, [event(user_id="", event_type=f"{name} {n}") for n in range(15)])
        wait_until(RejectedEvent.objects.filter(raw__contains=f"{name} 14").exists)
    wait_until(lambda: RejectedEvent.objects.count() == 20)
    left = [json.loads(row.raw)["event_type"] for row in RejectedEvent.objects.order_by("id")]
    assert left == [*(f"first {n}" for n in range(10, 15)), *(f"second {n}" for n in range(15))]


def test_the_newest_are_kept_within_the_bound_of_bytes(client: Client, settings: Any) -> None:
    settings.REJECTED_MAX_MEGABYTES = 1
    post(client, [event(user_id="", properties={"a": "x" * 50_000}) for _ in range(40)])
    wait_until(lambda: 0 < RejectedEvent.objects.count() <= 20)
    assert [row.position for row in RejectedEvent.objects.order_by("id")] == list(range(20, 40))


def test_the_escapes_of_binary_bodies_count_in_the_bound_of_bytes(
    client: Client, settings: Any
) -> None:
    settings.REJECTED_MAX_MEGABYTES = 1
    for _ in range(5):
        post(client, b"\xff" * 100_000)
    wait_until(lambda: not rejected._waiting)
    rejected.trim()
    assert [len(row.raw) for row in RejectedEvent.objects.all()] == [400_000] * 2


def test_what_is_too_much_goes_with_what_is_old(client: Client, settings: Any) -> None:
    post(client, [event(user_id="", event_type=f"type {n}") for n in range(5)])
    kept(5)
    settings.REJECTED_MAX_ROWS = 2
    assert rejected.purge(now=datetime.now(UTC)) == 3
    left = [json.loads(row.raw)["event_type"] for row in RejectedEvent.objects.order_by("id")]
    assert left == ["type 3", "type 4"]


def test_after_their_days_they_are_forgotten(client: Client, settings: Any) -> None:
    row = refused_one(client, user_id="")
    now = datetime.now(UTC)
    assert rejected.purge(now=now + timedelta(days=6)) == 0
    assert rejected.purge(now=now + timedelta(days=8)) == 1
    assert not RejectedEvent.objects.filter(pk=row.pk).exists()
