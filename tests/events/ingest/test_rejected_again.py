"""What was refused at the door is mended, or sent again as it is, in the admin."""

import json
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.db import DataError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from events.ingest import rejected
from events.models import Dedup, RejectedEvent
from events.storing.store import store
from tests.events.refusing import kept, refused_one
from tests.posting import post
from tests.samples import event, moment

pytestmark = pytest.mark.usefixtures("rejected_kept")

LIST = "/admin/events/rejectedevent/"


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
    assert (line["count"], line["by"]) == (30, "admin")


def test_what_is_too_much_for_one_go_is_left_with_a_message(
    admin_client: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr("events.admin.rejected_events.MOST_SENT", 3)
    shown = admin_client.post(LIST, now_sound(admin_client, 5), follow=True).content.decode()
    assert "3 sent again" in shown
    assert "Only the newest 3 were processed" in shown
    assert [row.position for row in RejectedEvent.objects.order_by("id")] == [0, 1]


@pytest.mark.parametrize(
    ("error", "tried"),
    [(DataError, 3), (psycopg.DataError, 3), (OperationalError, 1), (psycopg.OperationalError, 1)],
)
def test_an_event_that_postgresql_refuses_stops_no_other_but_its_absence_does(
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
    assert "2 stored, 1 already stored" in answer.content.decode()


def test_an_event_sent_again_by_two_people_is_stored_once(admin_client: Client) -> None:
    row = refused_one(admin_client, user_id="")
    mended = row.raw.replace('"user_id": ""', '"user_id": "u1"')
    rejected.send_again(row, mended)
    with pytest.raises(rejected.StillRejected, match="somebody else"):
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
