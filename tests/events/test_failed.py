"""What an engine refuses: its neighbours arrive, the culprit is parked until someone decides."""

import re
from base64 import b64encode
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from analytics import clickhouse as engine
from events import background, deliver, failed, intake, parking
from events.models import Batch, Dedup, HotEvent
from events.records import frame, unframe
from events.store import store
from tests.factories import AdminFactory, BatchFactory
from tests.samples import event, framed, records

pytestmark = pytest.mark.usefixtures("stores")
PAGE = "/admin/events/batch/"


@pytest.fixture(autouse=True)
def _no_delivery_in_the_background(monkeypatch: Any) -> None:
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)


def put(good: int, *, bad: int = 0) -> None:
    """A batch of both, the bad ones in its middle: what the door would never let in."""
    events = records([event() for _ in range(good + bad)])
    for record in events[good // 2 : good // 2 + bad]:
        record.occurred_at = "no time"
    spoilt = frame(events)
    for record in events:
        record.occurred_at = record.occurred_at.replace("no time", "2026-01-01T00:00:00.000Z")
    store(frames=[frame(events)], source=Batch.Source.QUEUE)
    Batch.objects.filter(state=Batch.State.PENDING).update(payload=spoilt)


def cold() -> int:
    [[count]] = engine.query("SELECT uniqExact(event_id) FROM events")
    [[rolled]] = engine.query("SELECT sum(events) FROM daily_events")
    [[rows]] = engine.query("SELECT count() FROM events")
    assert count == rolled == rows
    return int(count)


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Batch.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_the_culprits_are_parked_alone_and_all_others_arrive() -> None:
    put(37, bad=2)
    assert not deliver.deliver_due().failed
    assert cold() == 37
    parked = Batch.objects.filter(state=Batch.State.FAILED)
    assert [batch.stored for batch in parked] == [1, 1]
    assert all("CANNOT_PARSE_DATETIME" in batch.error for batch in parked)
    assert Batch.objects.filter(state=Batch.State.PENDING).count() == 0
    assert sum(Batch.objects.filter(state="delivered").values_list("stored", flat=True)) == 37


def test_batches_that_shared_the_refused_block_are_split_with_it() -> None:
    put(3)
    put(3, bad=1)
    first, second = Batch.objects.order_by("id")
    spoilt = second.payload
    assert spoilt is not None
    Batch.objects.filter(id=first.pk).update(payload=spoilt, stored=4)
    Batch.objects.filter(id=second.pk).update(payload=framed([event()]), stored=1)
    deliver.deliver_due()
    assert cold() == 4
    assert states()["failed"] == 1
    assert Batch.objects.filter(id__in=[first.pk, second.pk], state="split").count() == 2


def test_a_fault_that_is_not_in_the_events_does_not_make_a_row_of_each(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(parking, "_REFUSALS_AT_MOST", 5)
    put(0, bad=64)
    deliver.deliver_due()
    assert cold() == 0
    assert Batch.objects.count() < 20
    assert sum(Batch.objects.filter(state="failed").values_list("stored", flat=True)) == 64


def test_a_split_by_one_who_was_overtaken_changes_nothing() -> None:
    put(4, bad=1)
    claim = deliver._claim()
    assert claim is not None
    parking.split_or_park(claim.batch_id, attempt=claim.attempt - 1, reason="late")
    assert states() == {"pending": 1}


def test_an_outbox_that_can_not_be_read_is_parked_whole() -> None:
    put(3)
    Batch.objects.update(payload=b"spoilt by a disk")
    deliver.deliver_due()
    batch = Batch.objects.get()
    assert batch.state == Batch.State.FAILED
    assert bytes(batch.payload or b"") == b"spoilt by a disk"


def test_trouble_with_one_batch_holds_up_no_other(monkeypatch: Any) -> None:
    put(2)
    stuck = Batch.objects.get().pk
    deliver._claim()
    Batch.objects.update(claimed_until=None)
    put(3)
    real = engine.insert_block

    def too_many_parts(*, token: str, body: bytes) -> None:
        if token == str(stuck):
            raise engine.ClickHouseUnavailable("too many parts", code=252)
        real(token=token, body=body)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "insert_block", too_many_parts)
        assert deliver.deliver_due() == (1, False)
    assert cold() == 3
    assert Batch.objects.get(id=stuck).error == "too many parts"


def test_pauses_grow_and_differ() -> None:
    pauses = [[deliver._pause(attempt) for _ in range(20)] for attempt in (1, 3, 50)]
    assert all(len(set(same)) > 1 for same in pauses)
    assert max(pauses[0]) <= 2
    assert min(pauses[1]) >= 4
    assert 15 <= min(pauses[2]) <= max(pauses[2]) <= 30


def test_nothing_is_delivered_before_the_schema_is_complete() -> None:
    put(2)
    engine.command(
        "ALTER TABLE schema_files DELETE WHERE name LIKE '0004%' SETTINGS mutations_sync=2"
    )
    engine._complete.clear()
    assert deliver.deliver_due() == (0, True)
    assert "0004_weekly_users.sql" in Batch.objects.get().error
    assert cold() == 0
    call_command("migrate_clickhouse", stdout=StringIO())
    Batch.objects.update(claimed_until=None)
    assert deliver.deliver_due() == (1, False)
    assert cold() == 2


# --- what PostgreSQL will not have


def message(*events: dict[str, Any], **spoilt: Any) -> str:
    made = records(events)
    for name, value in spoilt.items():
        setattr(made[0], name, value)
    return b64encode(frame(made)).decode()


def test_a_message_that_can_not_be_stored_is_parked_and_its_neighbours_are_stored() -> None:
    sound, poisoned = message(event()), message(event(), event(), user_id="a\x00b")
    intake.store_messages([sound, poisoned, "no frame at all"])
    assert Dedup.objects.count() == HotEvent.objects.count() == 2
    parked = Batch.objects.filter(state=Batch.State.UNSTORED).order_by("id")
    assert len(parked) == 2
    [record] = unframe(bytes(parked[0].payload or b""))
    assert record.user_id == "a\x00b"
    assert bytes(parked[1].payload or b"") == b"no frame at all"
    assert all(batch.error for batch in parked)


def test_messages_are_not_parked_when_postgresql_is_to_blame(monkeypatch: Any) -> None:
    def gone(**_: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(intake, "store", gone)
    with pytest.raises(psycopg.OperationalError):
        intake.store_messages([message(event())])
    assert not Batch.objects.exists()


# --- what a person decides


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(AdminFactory.create())
    return client


def act(client: Client, action: str, *batches: UUID, **more: str) -> str:
    data = {"action": action, "_selected_action": [str(b) for b in batches], **more}
    answer = client.post(PAGE, data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def parked_batch() -> UUID:
    put(3, bad=1)
    deliver.deliver_due()
    return UUID(str(Batch.objects.get(state=Batch.State.FAILED).pk))


def test_a_failed_batch_shows_its_events_and_why(admin: Client) -> None:
    page = admin.get(f"{PAGE}{parked_batch()}/change/").content.decode()
    assert "no time" in page
    assert "page_view" in page


def test_a_failed_batch_is_tried_again_after_a_repair(admin: Client) -> None:
    batch = parked_batch()
    Batch.objects.filter(id=batch).update(payload=framed([event()]))
    assert "is tried again" in act(admin, "retry", batch)
    deliver.deliver_due()
    assert cold() == 4
    assert "None of these has failed" in act(admin, "retry", batch)


def test_what_was_never_stored_is_stored_when_tried_again(admin: Client) -> None:
    parking.park_unstored(framed([event()]), reason="a bug that is mended now")
    [batch] = Batch.objects.all()
    act(admin, "retry", batch.pk)
    assert Dedup.objects.count() == 1
    assert states() == {"pending": 1}


def test_what_still_can_not_be_stored_stays_parked_with_a_message(admin: Client) -> None:
    parking.park_unstored(b"no frame", reason="why")
    [batch] = Batch.objects.all()
    assert str(batch.pk) in act(admin, "retry", batch.pk)
    assert states() == {"unstored": 1}


def test_discarding_asks_first_and_frees_the_ids(admin: Client) -> None:
    batch = parked_batch()
    [record] = unframe(bytes(Batch.objects.get(id=batch).payload or b""))
    assert "can't be undone" in act(admin, "discard", batch).replace("&#x27;", "'")
    assert states()["failed"] == 1
    assert "is discarded" in act(admin, "discard", batch, confirmed="1")
    assert states()["discarded"] == 1
    assert not Dedup.objects.filter(event_id=record.event_id).exists()
    assert not HotEvent.objects.filter(event_id=record.event_id).exists()
    mended = event(event_id=record.event_id)
    assert store(frames=[framed([mended])], source=Batch.Source.QUEUE).stored == 1


def confirmation(client: Client, chosen: list[UUID], select_across: str) -> tuple[str, Any]:
    """The page that asks, and what its button would send."""
    data = {"action": "discard", "_selected_action": [str(b) for b in chosen]}
    answer = client.post(PAGE, {**data, "select_across": select_across})
    page = answer.content.decode()
    form: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        form.setdefault(name, []).append(value)
    return page, form


def test_more_batches_than_a_form_may_have_fields_are_discarded_at_once(admin: Client) -> None:
    made = [BatchFactory.build(state=Batch.State.UNSTORED, error="why") for _ in range(1_200)]
    Batch.objects.bulk_create(made)
    keys = [batch.pk for batch in made]
    with CaptureQueriesContext(connection) as queries:
        page, form = confirmation(admin, keys[:100], select_across="1")
    assert len(queries) < 20, "a query for each batch"
    assert "1200 failed batches with 12000 events" in page
    assert "… and 1100 more" in page
    with capture_logs() as logs:
        assert "1200 batches are discarded" in admin.post(PAGE, form, follow=True).content.decode()
    assert states() == {"discarded": 1_200}
    [line] = [line for line in logs if line["event"] == "admin_action"]
    assert (line["done"], line["left"]) == (1_200, 0)
    assert line["by"].startswith("admin_")


def test_what_has_failed_since_the_question_is_asked_about_first(admin: Client) -> None:
    parking.park_unstored(b"", reason="why")
    _, form = confirmation(admin, list(Batch.objects.values_list("id", flat=True)), "1")
    parking.park_unstored(b"", reason="why")
    assert "2 failed batches" in admin.post(PAGE, form).content.decode()
    assert states() == {"unstored": 2}


def test_those_that_were_not_chosen_stay(admin: Client) -> None:
    for _ in range(3):
        parking.park_unstored(b"", reason="why")
    first, *_ = Batch.objects.values_list("id", flat=True)
    _, form = confirmation(admin, [first], "0")
    admin.post(PAGE, form)
    assert states() == {"unstored": 2, "discarded": 1}


def test_of_many_faults_the_first_are_told(admin: Client) -> None:
    for _ in range(15):
        parking.park_unstored(b"no frame", reason="why")
    page = act(admin, "retry", *Batch.objects.values_list("id", flat=True))
    assert "… and 5 more" in page
    assert page.count("Batch 0") == 10
    assert states() == {"unstored": 15}


def test_a_sound_batch_can_be_neither_retried_nor_discarded(admin: Client) -> None:
    put(2)
    [batch] = Batch.objects.all()
    assert "None of these has failed" in act(admin, "retry", batch.pk)
    assert "None of these has failed" in act(admin, "discard", batch.pk)
    with pytest.raises(failed.NotFailed):
        failed.discard(batch.pk, by="me")
    assert states() == {"pending": 1}


def test_staff_without_the_permission_are_offered_no_action(client: Client) -> None:
    batch = parked_batch()
    client.force_login(AdminFactory.create(is_superuser=False))
    client.post(PAGE, {"action": "discard", "_selected_action": [str(batch)], "confirmed": "1"})
    assert states()["failed"] == 1


# --- by hand


def test_deliver_batches_says_what_it_did(capsys: Any) -> None:
    put(2)
    call_command("deliver_batches")
    assert "1 blocks delivered" in capsys.readouterr().out
    assert cold() == 2


def test_deliver_batches_says_why_it_could_not(settings: Any, capsys: Any) -> None:
    put(2)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(CommandError, match="takes nothing"):
        call_command("deliver_batches")
    assert "1 batches wait" in capsys.readouterr().out
    assert states() == {"pending": 1}
