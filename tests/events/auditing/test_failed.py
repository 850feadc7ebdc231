"""What an engine refuses: its neighbours arrive, the culprit is parked until someone decides."""

from base64 import b64encode
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from analytics import clickhouse, inserting
from events.delivery import deliver, parking
from events.format.records import frame, unframe
from events.models import Batch, Dedup, HotEvent
from events.storing import intake
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.events.failing import cold, put, states
from tests.samples import event, framed, records

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")


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


@pytest.mark.parametrize("split", [parking.split_or_park, parking.split])
def test_a_split_by_one_who_was_overtaken_changes_nothing(split: Any) -> None:
    put(4, bad=1)
    claim = deliver._claim()
    assert claim is not None
    split(claim.batch_id, attempt=claim.attempt - 1, reason="late")
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
    real = inserting.insert_block

    def too_many_parts(*, project: int, token: str, body: bytes) -> None:
        if token == str(stuck):
            raise clickhouse.ClickHouseUnavailable("too many parts", code=252)
        real(project=project, token=token, body=body)

    with monkeypatch.context() as patched:
        patched.setattr(inserting, "insert_block", too_many_parts)
        assert deliver.deliver_due()[:2] == (1, False)
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
    inserting._complete.clear()
    assert deliver.deliver_due()[:2] == (0, False)
    assert "0004_weekly_users.sql" in Batch.objects.get().error
    assert cold() == 0
    call_command("migrate_clickhouse", stdout=StringIO())
    Batch.objects.update(claimed_until=None)
    assert deliver.deliver_due()[:2] == (1, False)
    assert cold() == 2


# --- what PostgreSQL will not have


def message(*events: dict[str, Any], **spoilt: Any) -> tuple[str, int]:
    made = records(events)
    for name, value in spoilt.items():
        setattr(made[0], name, value)
    return b64encode(frame(made)).decode(), DEFAULT


def test_a_message_that_can_not_be_stored_is_parked_and_its_neighbours_are_stored() -> None:
    sound, poisoned = message(event()), message(event(), event(), user_id="a\x00b")
    intake.store_messages([sound, poisoned, ("no frame at all", DEFAULT)])
    assert Dedup.objects.count() == HotEvent.objects.count() == 2
    parked = Batch.objects.filter(state=Batch.State.UNSTORED).order_by("id")
    assert len(parked) == 2
    [record] = unframe(bytes(parked[0].payload or b""))
    assert record.user_id == "a\x00b"
    assert bytes(parked[1].payload or b"") == b"no frame at all"
    assert all(batch.error for batch in parked)


@pytest.mark.parametrize("text", ["\N{LATIN SMALL LETTER E WITH ACUTE}", "\ud800"], ids=ascii)
def test_a_message_of_no_ascii_is_parked_and_its_neighbours_are_stored(text: str) -> None:
    intake.store_messages([message(event()), (text, DEFAULT)])
    assert Dedup.objects.count() == 1
    assert Batch.objects.get(state=Batch.State.UNSTORED).error


def test_messages_are_not_parked_when_postgresql_is_to_blame(monkeypatch: Any) -> None:
    def gone(**_: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(intake, "store", gone)
    with pytest.raises(psycopg.OperationalError):
        intake.store_messages([message(event())])
    assert not Batch.objects.exists()


# --- by hand


def test_deliver_batches_says_what_it_did(capsys: Any) -> None:
    put(2)
    call_command("deliver_batches")
    assert "1 blocks delivered" in capsys.readouterr().out
    assert cold() == 2


def test_deliver_batches_says_why_it_could_not(settings: Any, capsys: Any) -> None:
    put(2)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(CommandError, match="does not accept batches"):
        call_command("deliver_batches")
    assert "1 batches wait" in capsys.readouterr().out
    assert states() == {"pending": 1}
