"""Delivery: the outbox into ClickHouse, again until it is confirmed, and never doubled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from analytics import clickhouse as engine
from analytics import inserting
from config.monitoring import metrics
from events.delivery import deliver
from events.delivery.redelivery import Unsettled
from events.format.records import BLOCK_BYTES
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT
from tests.meanwhile import at_once, impatient, in_thread
from tests.samples import event, framed
from tests.stored import cold

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")


def put(count: int = 1, **changes: Any) -> Batch:
    store(
        frames=[framed([event(**changes) for _ in range(count)])],
        source=Batch.Source.QUEUE,
        project=DEFAULT,
    )
    return Batch.objects.latest("id")


def _killed(_: object) -> None:
    raise KeyboardInterrupt


def due_again() -> None:
    Batch.objects.filter(state=Batch.State.PENDING).update(
        claimed_until=datetime.now(UTC) - timedelta(seconds=1)
    )


def test_a_delivered_batch_is_confirmed_and_emptied() -> None:
    put(3)
    assert deliver.deliver_due()[:2] == (1, False)
    batch = Batch.objects.get()
    assert (batch.state, batch.payload, batch.error) == (Batch.State.DELIVERED, None, "")
    assert batch.delivered_at is not None
    assert cold() == 3


def test_batches_share_a_block_up_to_its_bytes() -> None:
    for _ in range(4):
        put()
    Batch.objects.update(decoded_bytes=BLOCK_BYTES // 2)
    assert deliver._claim() is not None
    assert Batch.objects.filter(state=Batch.State.MERGED).count() == 1


def test_small_batches_share_a_block() -> None:
    batches = [put(2) for _ in range(5)]
    before = metrics.EVENTS_DELIVERED._value.get()
    assert deliver.deliver_due()[:2] == (1, False)
    assert cold() == metrics.EVENTS_DELIVERED._value.get() - before == 10
    first, *rest = Batch.objects.order_by("id")
    assert first.pk == batches[0].pk
    assert {batch.merged_into_id for batch in rest} == {first.pk}
    assert {batch.state for batch in Batch.objects.all()} == {Batch.State.DELIVERED}
    assert all(batch.payload is None for batch in Batch.objects.all())


@pytest.mark.parametrize("size", [4, 5])
def test_a_block_has_no_more_events_than_the_setting_says(settings: Any, size: int) -> None:
    settings.CLICKHOUSE_BATCH_SIZE = size
    for _ in range(4):
        put(2)
    assert deliver.deliver_due().blocks == 2
    assert cold() == 8


def test_what_was_inserted_but_not_confirmed_is_not_doubled(monkeypatch: Any) -> None:
    put(4)
    with monkeypatch.context() as patched:
        patched.setattr(deliver, "_confirm", _killed)
        with pytest.raises(KeyboardInterrupt):
            deliver.deliver_due()
    assert cold() == 4
    due_again()
    put(3)
    deliver.deliver_due()
    assert cold() == 7
    assert not Batch.objects.exclude(state=Batch.State.DELIVERED).exists()


def test_a_merged_block_that_was_not_confirmed_is_sent_again_as_it_was(monkeypatch: Any) -> None:
    for _ in range(3):
        put(2)
    with monkeypatch.context() as patched:
        patched.setattr(deliver, "_confirm", _killed)
        with pytest.raises(KeyboardInterrupt):
            deliver.deliver_due()
    put(1)
    due_again()
    deliver.deliver_due()
    assert cold() == 7
    # ClickHouse knows the token of the others.
    assert Batch.objects.latest("id").merged_into_id is None


def test_nobody_takes_a_batch_that_another_is_delivering() -> None:
    put(2)
    first = deliver._claim()
    assert first is not None
    assert deliver._claim() is None
    due_again()
    second = deliver._claim()
    assert second is not None
    assert (second.batch_id, second.payload, second.attempt) == (first.batch_id, first.payload, 2)
    due_again()


@pytest.mark.parametrize("limit", [1, 5, 60])
def test_a_deliverer_has_a_batch_to_itself_for_longer_than_an_insert_may_take(
    settings: Any, limit: int
) -> None:
    settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS = limit
    put(2)
    assert deliver._claim() is not None
    client: Any = engine._client()
    assert seconds_until_due() > client.timeout.connect_timeout + client.timeout.read_timeout


def seconds_until_due() -> float:
    """Of the only batch, by PostgreSQL's clock."""
    wait: timedelta = Batch.objects.values_list(F("claimed_until") - Now(), flat=True).get()
    return wait.total_seconds()


def test_a_deliverer_that_was_overtaken_does_not_postpone_the_batch() -> None:
    put(2)
    late = deliver._claim()
    due_again()
    assert deliver._claim() is not None
    assert late is not None
    deliver._postpone(late, engine.ClickHouseUnavailable("too late"))
    assert Batch.objects.get().error == ""
    assert seconds_until_due() > deliver._LONGEST_BACKOFF_SECONDS


def test_a_batch_that_failed_often_is_due_again_within_half_a_minute(settings: Any) -> None:
    put(2)
    Batch.objects.update(attempts=40)
    real = settings.CLICKHOUSE_URL
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    deliver.deliver_due()
    settings.CLICKHOUSE_URL = real
    assert 0 < seconds_until_due() <= 30


def test_a_deliverer_passes_over_a_batch_that_another_is_taking() -> None:
    taken, free = put(2), put(1)
    with transaction.atomic():
        Batch.objects.select_for_update().get(id=taken.pk)
        in_thread(impatient(deliver.deliver_due))
        free.refresh_from_db()
        assert free.state == Batch.State.DELIVERED
    assert cold() == 1


def test_failures_between_successes_do_not_end_a_run(settings: Any, monkeypatch: Any) -> None:
    settings.CLICKHOUSE_BATCH_SIZE = 1
    batches = [put(1) for _ in range(6)]
    # Twice two in a row; a run ends after three.
    passing = {str(batch.pk) for batch in batches[2::3]}
    real = inserting.insert_block

    def insert_block(*, project: int, token: str, body: bytes) -> None:
        if token not in passing:
            raise engine.ClickHouseUnavailable("over the limit of memory", code=241)
        real(project=project, token=token, body=body)

    with monkeypatch.context() as patched:
        patched.setattr(inserting, "insert_block", insert_block)
        assert deliver.deliver_due()[:2] == (2, False)
    assert cold() == 2
    due_again()


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (engine.ClickHouseUnavailable("over the limit of memory", code=241), 3),
        (Unsettled("not there"), 3),
        (engine.ClickHouseUnavailable("nobody answers"), 1),
    ],
    ids=["an error of ClickHouse", "doubtful blocks", "no answer"],
)
def test_a_run_ends_when_it_is_clear_that_clickhouse_is_in_trouble(
    settings: Any, monkeypatch: Any, error: Exception, attempts: int
) -> None:
    settings.CLICKHOUSE_BATCH_SIZE = 1
    for _ in range(5):
        put(1)

    def fail(_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(deliver, "_send", fail)
        assert deliver.deliver_due()[:2] == (0, True)
    assert Batch.objects.filter(attempts=1, error=str(error)).count() == attempts
    assert Batch.objects.filter(attempts=0).count() == 5 - attempts
    due_again()


def test_clickhouse_being_gone_keeps_the_batch_and_the_reason(settings: Any) -> None:
    put(2)
    real = settings.CLICKHOUSE_URL
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    assert deliver.deliver_due()[:2] == (0, True)
    batch = Batch.objects.get()
    assert batch.state == Batch.State.PENDING
    assert batch.error
    assert batch.claimed_until is not None
    assert batch.claimed_until > datetime.now(UTC)
    settings.CLICKHOUSE_URL = real
    assert deliver.deliver_due()[:2] == (0, False), "a batch was tried before its pause was over"
    due_again()
    assert deliver.deliver_due()[:2] == (1, False)
    assert cold() == 2


def test_many_deliverers_at_once_deliver_everything_once() -> None:
    for _ in range(30):
        put(10)

    at_once([deliver.deliver_due] * 4)
    assert cold() == 300
    assert not Batch.objects.exclude(state=Batch.State.DELIVERED).exists()


def test_events_of_many_years_in_one_batch_arrive() -> None:
    days = [f"{year}-{month:02}-01T00:00:00Z" for year in range(1990, 2020) for month in (1, 7)]
    sent = [event(occurred_at=day) for day in days]
    store(frames=[framed(sent)], source=Batch.Source.QUEUE, project=DEFAULT)
    deliver.deliver_due()
    assert cold() == 60


def test_what_is_delivered_is_what_was_sent() -> None:
    sent = event(
        user_id='q"uo\\te',
        event_type="тип",
        properties={"a": None, "b": {"c.d": [1, "x"]}, "e": 1.5},
    )
    store(frames=[framed([sent])], source=Batch.Source.QUEUE, project=DEFAULT)
    deliver.deliver_due()
    [row] = engine.query(
        "SELECT toString(event_id), toString(occurred_at), user_id, event_type, properties_text"
        " FROM events",
        project=DEFAULT,
    )
    at = sent["occurred_at"][:23].replace("T", " ")
    text = '{"a":null,"b":{"c.d":[1,"x"]},"e":1.5}'
    assert row == [sent["event_id"], at, 'q"uo\\te', "тип", text]
