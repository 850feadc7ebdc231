"""What an engine refused: tried again, or discarded for good, in the admin."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from events.auditing import failed
from events.delivery import deliver, parking
from events.format.records import unframe
from events.models import Batch, Dedup, HotEvent
from events.storing.store import store
from projects.models import DEFAULT
from tests.events.failing import cold, put, states
from tests.factories import AdminFactory, BatchFactory
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")

PAGE = "/admin/events/batch/"


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
    assert "None of the selected batches has failed" in act(admin, "retry", batch)


def test_what_was_never_stored_is_stored_when_tried_again(admin: Client) -> None:
    parking.park_unstored(framed([event()]), reason="a bug that is mended now", project=DEFAULT)
    [batch] = Batch.objects.all()
    act(admin, "retry", batch.pk)
    assert Dedup.objects.count() == 1
    assert states() == {"pending": 1}


def test_what_still_can_not_be_stored_stays_parked_with_a_message(admin: Client) -> None:
    parking.park_unstored(b"no frame", reason="why", project=DEFAULT)
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
    assert store(project=DEFAULT, frames=[framed([mended])], source=Batch.Source.QUEUE).stored == 1


def test_discarding_a_message_leaves_events_that_another_has_stored() -> None:
    known = event()
    store(project=DEFAULT, frames=[framed([known])], source=Batch.Source.QUEUE)
    parking.park_unstored(framed([known]), reason="why", project=DEFAULT)
    failed.discard(Batch.objects.get(state=Batch.State.UNSTORED).pk, by="me")
    assert [str(row.event_id) for row in Dedup.objects.all()] == [known["event_id"]]
    assert HotEvent.objects.count() == 1


def confirmation(client: Client, chosen: list[UUID], select_across: str) -> tuple[str, Any]:
    """The page that asks, and what its button would send."""
    data = {"action": "discard", "_selected_action": [str(b) for b in chosen]}
    answer = client.post(PAGE, {**data, "select_across": select_across})
    page = answer.content.decode()
    form: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        form.setdefault(name, []).append(value)
    return page, form


def test_more_batches_than_a_form_may_have_fields_are_discarded_at_once(
    admin: Client, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 110
    made = [BatchFactory.build(state=Batch.State.UNSTORED, error="why") for _ in range(120)]
    Batch.objects.bulk_create(made)
    keys = [batch.pk for batch in made]
    with CaptureQueriesContext(connection) as queries:
        page, form = confirmation(admin, keys[:100], select_across="1")
    assert len(queries) < 20, "a query for each batch"
    assert "120 failed batches with 1200 events" in page
    assert "… and 20 more" in page
    with capture_logs() as logs:
        assert "120 batches are discarded" in admin.post(PAGE, form, follow=True).content.decode()
    assert states() == {"discarded": 120}
    [line] = [line for line in logs if line["event"] == "admin_action"]
    assert (line["count"], line["left"]) == (120, 0)
    assert line["by"].startswith("admin_")


def test_what_has_failed_since_the_question_is_asked_about_first(admin: Client) -> None:
    parking.park_unstored(b"", reason="why", project=DEFAULT)
    _, form = confirmation(admin, list(Batch.objects.values_list("id", flat=True)), "1")
    parking.park_unstored(b"", reason="why", project=DEFAULT)
    assert "2 failed batches" in admin.post(PAGE, form).content.decode()
    assert states() == {"unstored": 2}


def test_those_that_were_not_chosen_stay(admin: Client) -> None:
    for _ in range(3):
        parking.park_unstored(b"", reason="why", project=DEFAULT)
    first, *_ = Batch.objects.values_list("id", flat=True)
    _, form = confirmation(admin, [first], "0")
    admin.post(PAGE, form)
    assert states() == {"unstored": 2, "discarded": 1}


def test_only_the_first_of_many_faults_are_shown(admin: Client) -> None:
    for _ in range(15):
        parking.park_unstored(b"no frame", reason="why", project=DEFAULT)
    page = act(admin, "retry", *Batch.objects.values_list("id", flat=True))
    assert "… and 5 more" in page
    assert page.count("Batch 0") == 10
    assert states() == {"unstored": 15}


def test_a_sound_batch_can_be_neither_retried_nor_discarded(admin: Client) -> None:
    put(2)
    [batch] = Batch.objects.all()
    assert "None of the selected batches has failed" in act(admin, "retry", batch.pk)
    assert "None of the selected batches has failed" in act(admin, "discard", batch.pk)
    with pytest.raises(failed.NotFailed):
        failed.discard(batch.pk, by="me")
    assert states() == {"pending": 1}


def test_staff_without_the_permission_are_offered_no_action(client: Client) -> None:
    batch = parked_batch()
    client.force_login(AdminFactory.create(is_superuser=False))
    client.post(PAGE, {"action": "discard", "_selected_action": [str(batch)], "confirmed": "1"})
    assert states()["failed"] == 1
