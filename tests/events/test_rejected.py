"""What is refused at the door is kept with its reason, within bounds, and can be sent again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.db import DataError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from events import rejected
from events.models import Dedup, RejectedEvent
from events.store import store
from tests.factories import PropertySchemaFactory
from tests.samples import event, moment
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")
LIST = "/admin/events/rejectedevent/"


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    wait_until(lambda: not rejected._waiting)


def post(client: Client, body: Any, **headers: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post("/events", text, content_type="application/json", **headers)


def kept(count: int) -> list[RejectedEvent]:
    wait_until(lambda: RejectedEvent.objects.count() == count)
    return list(RejectedEvent.objects.order_by("id"))


def refused_one(client: Client, **changes: Any) -> RejectedEvent:
    post(client, [event(**changes)])
    [row] = kept(1)
    return row


# --- kept


def test_a_refused_event_is_kept_with_its_reason_its_client_and_its_text(client: Client) -> None:
    bad = event(occurred_at="yesterday")
    post(client, [event(), bad], REMOTE_ADDR="192.0.2.7")
    [row] = kept(1)
    assert json.loads(row.raw) == bad
    assert (row.client, row.position, row.event_id) == ("192.0.2.7", 1, bad["event_id"])
    assert (row.field, row.code) == ("occurred_at", "format")
    assert "ISO 8601" in row.message
    assert row.raw_bytes == len(row.raw)


def test_what_breaks_the_schema_of_its_type_is_kept_too(client: Client) -> None:
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


def test_of_what_is_very_long_the_beginning_is_kept(client: Client) -> None:
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
    monkeypatch.setattr(rejected, "_WAITING_ROWS", 10)
    post(client, [event(user_id="") for _ in range(100)])
    assert [row.position for row in kept(10)] == list(range(10))


def test_the_reasons_that_wait_in_memory_count_too(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(rejected, "_WAITING_BYTES", 5_000)
    post(client, [5] * 100)
    wait_until(lambda: RejectedEvent.objects.exists() and not rejected._waiting)
    assert 20 < RejectedEvent.objects.count() < 50


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


def test_after_their_days_they_are_forgotten(client: Client, settings: Any) -> None:
    row = refused_one(client, user_id="")
    now = datetime.now(UTC)
    assert rejected.purge(now=now + timedelta(days=6)) == 0
    assert rejected.purge(now=now + timedelta(days=8)) == 1
    assert not RejectedEvent.objects.filter(pk=row.pk).exists()


# --- sent again


def page(client: Client, path: str = LIST) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_admin_lists_them_with_their_reasons(admin_client: Client) -> None:
    row = refused_one(admin_client, user_id="", event_type="<b>bold</b>")
    assert "user_id must have 1 to 200 characters" in page(admin_client)
    assert row.event_id in page(admin_client, f"{LIST}?q={row.event_id}")
    assert row.event_id not in page(admin_client, f"{LIST}?q=192.0.2.1")
    shown = page(admin_client, f"{LIST}{row.pk}/change/")
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "Send again" in shown


def test_a_mended_event_is_stored_and_leaves_the_list(admin_client: Client) -> None:
    row = refused_one(admin_client, user_id="")
    mended = row.raw.replace('"user_id": ""', '"user_id": "u1"')
    answer = admin_client.post(f"{LIST}{row.pk}/change/", {"raw": mended}, follow=True)
    assert "1 stored" in answer.content.decode()
    assert str(Dedup.objects.get().event_id) == row.event_id
    assert not RejectedEvent.objects.exists()


def test_a_badly_mended_event_stays_with_the_new_reason(admin_client: Client) -> None:
    row = refused_one(admin_client, user_id="")
    for text, reason in (
        (row.raw.replace('""', "5"), "must be text"),
        ("{", "JSON events"),
        ("", ""),
    ):
        answer = admin_client.post(f"{LIST}{row.pk}/change/", {"raw": text})
        assert answer.status_code == 200
        assert reason in answer.content.decode()
    assert RejectedEvent.objects.get().raw == row.raw
    assert not Dedup.objects.exists()


def test_what_was_ahead_of_its_time_can_be_sent_again_as_it_is(admin_client: Client) -> None:
    soon = refused_one(admin_client, occurred_at=moment(hours=-25))
    data = {"action": "send_again", "_selected_action": [soon.pk]}
    answer = admin_client.post(LIST, data, follow=True)
    assert "more than 24 hours ahead" in answer.content.decode()
    raw = soon.raw.replace(json.loads(soon.raw)["occurred_at"], moment(hours=1))
    RejectedEvent.objects.update(raw=raw)
    answer = admin_client.post(LIST, data, follow=True)
    assert "1 stored" in answer.content.decode()
    assert not RejectedEvent.objects.exists()


def now_sound(client: Client, count: int) -> dict[str, Any]:
    """So many rejected events that could be stored by now, and the form that sends them again."""
    post(client, [event(user_id="") for _ in range(count)])
    for row in kept(count):
        raw = row.raw.replace('"user_id": ""', '"user_id": "u1"')
        RejectedEvent.objects.filter(pk=row.pk).update(raw=raw)
    keys = list(RejectedEvent.objects.values_list("pk", flat=True))
    return {"action": "send_again", "_selected_action": keys}


def test_many_are_sent_again_with_one_message_and_one_line_in_the_log(
    admin_client: Client,
) -> None:
    form = now_sound(admin_client, 30)
    with CaptureQueriesContext(connection) as queries, capture_logs() as logs:
        answer = admin_client.post(LIST, form, follow=True)
    assert "30 sent again: 30 stored." in answer.content.decode()
    assert Dedup.objects.count() == 30
    texts = [query["sql"] for query in queries if '"rejected_events"."raw"' in query["sql"]]
    assert all("LIMIT 1" in sql for sql in texts), "all their texts at once"
    [line] = [line for line in logs if line["event"] == "admin_action"]
    assert (line["done"], line["by"]) == (30, "admin")


def test_what_is_too_much_for_one_go_is_left_with_a_message(
    admin_client: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr("events.admin_rejected.MOST_SENT", 3)
    shown = admin_client.post(LIST, now_sound(admin_client, 5), follow=True).content.decode()
    assert "3 sent again" in shown
    assert "Only the newest 3 were tried" in shown
    assert [row.position for row in RejectedEvent.objects.order_by("id")] == [0, 1]


@pytest.mark.parametrize(
    ("error", "tried"),
    [(DataError, 3), (psycopg.DataError, 3), (OperationalError, 1), (psycopg.OperationalError, 1)],
)
def test_one_that_postgresql_refuses_stops_no_other_but_its_absence_does(
    admin_client: Client, monkeypatch: Any, error: type[Exception], tried: int
) -> None:
    form = now_sound(admin_client, 3)
    calls = []

    def first_fails(**given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise error("out of sorts")
        return store(**given)

    monkeypatch.setattr(rejected, "store", first_fails)
    answer = admin_client.post(LIST, form, follow=True)
    assert "out of sorts" in answer.content.decode()
    assert len(calls) == tried
    assert Dedup.objects.count() == tried - 1
    assert RejectedEvent.objects.count() == 4 - tried


def test_a_mended_event_that_postgresql_refuses_stays_with_its_reason(
    admin_client: Client, monkeypatch: Any
) -> None:
    form = now_sound(admin_client, 1)
    [row] = RejectedEvent.objects.all()

    def refuses(**given: Any) -> None:
        raise DataError("out of sorts")

    monkeypatch.setattr(rejected, "store", refuses)
    url = f"{LIST}{form['_selected_action'][0]}/change/"
    assert "out of sorts" in admin_client.post(url, {"raw": row.raw}, follow=True).content.decode()
    assert RejectedEvent.objects.count() == 1


def test_a_body_refused_as_a_whole_is_mended_as_a_whole(admin_client: Client) -> None:
    good = [event(), event()]
    post(admin_client, json.dumps(good)[:-1])
    [row] = kept(1)
    url = f"{LIST}{row.pk}/change/"
    answer = admin_client.post(url, {"raw": json.dumps([*good, good[0]])}, follow=True)
    assert "2 stored, 1 had been stored before" in answer.content.decode()


def test_one_sent_again_by_two_people_is_stored_once(admin_client: Client) -> None:
    row = refused_one(admin_client, user_id="")
    mended = row.raw.replace('"user_id": ""', '"user_id": "u1"')
    rejected.send_again(row, mended)
    with pytest.raises(rejected.StillRejected, match="meanwhile"):
        rejected.send_again(row, mended)
    assert Dedup.objects.count() == 1


def test_when_it_cannot_be_stored_it_stays_rejected(client: Client, monkeypatch: Any) -> None:
    row = refused_one(client, user_id="")

    def down(**given: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(rejected, "store", down)
    with pytest.raises(OperationalError):
        rejected.send_again(row, row.raw.replace('"user_id": ""', '"user_id": "u1"'))
    assert RejectedEvent.objects.count() == 1


def test_only_who_may_change_them_may_send_them_again(
    client: Client, django_user_model: Any
) -> None:
    row = refused_one(client, user_id="")
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_rejectedevent"))
    client.force_login(viewer)
    assert "Send again" not in page(client, f"{LIST}{row.pk}/change/")
    assert client.post(f"{LIST}{row.pk}/change/", {"raw": row.raw}).status_code == 403
