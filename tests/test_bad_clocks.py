"""Clocks that are wrong, jump ahead and jump back: the server's own, and those of clients."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from events import tasks
from events.models import Batch
from events.storing import hot
from events.storing.store import store
from projects.models import DEFAULT
from tests.samples import event, framed, moment
from tests.stored import delivered_counts

pytestmark = pytest.mark.usefixtures("stores")

AGES = (0.1, 1, 3, 6)


class Clock(datetime):
    """What the service takes for `datetime`; `ahead` is how wrong it is."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + cls.ahead


@pytest.fixture
def clock(stores: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Clock]]:
    for module in ("storing.hot", "storing.store", "tasks", "ingest.validation"):
        monkeypatch.setattr(f"events.{module}.datetime", Clock)
    yield Clock
    Clock.ahead = timedelta()
    _drop_other_days()


def _drop_other_days() -> None:
    hot.ensure_partitions(now=datetime.now(UTC))
    today = datetime.now(UTC).date()
    with connection.cursor() as cursor:
        for day in hot.partition_days():
            if abs(day - today) > timedelta(days=7):
                cursor.execute(f"DROP TABLE {hot.partition_name(day)}")


def recent() -> bytes:
    """A frame of events of the hot window, accepted by a right clock."""
    return framed([event(occurred_at=moment(days=days)) for days in AGES])


def put(frame: bytes) -> None:
    store(project=DEFAULT, frames=[frame], source=Batch.Source.QUEUE)


def run_periodic_tasks() -> None:
    tasks.make_hot_partitions()
    tasks.purge_hot_events()
    tasks.purge_ids()
    tasks.purge_batches()


@pytest.mark.parametrize("days", [1, 5, 400, 20_000])
def test_a_clock_that_jumps_back_loses_and_purges_nothing(clock: type[Clock], days: int) -> None:
    put(recent())
    waiting = recent()
    clock.ahead = -timedelta(days=days)
    put(waiting)
    run_periodic_tasks()
    clock.ahead = timedelta()
    run_periodic_tasks()
    put(recent())
    assert delivered_counts() == (12, 12, 12)


@pytest.mark.parametrize("days", [1, 5, 400])
def test_what_a_clock_that_jumped_ahead_keeps_from_the_hot_layer_is_repaired(
    clock: type[Clock], days: int
) -> None:
    put(recent())
    waiting = recent()
    clock.ahead = timedelta(days=days)
    put(waiting)
    run_periodic_tasks()
    clock.ahead = timedelta()
    run_periodic_tasks()
    put(recent())
    assert delivered_counts()[::2] == (12, 12)
    call_command("verify_stores", "--repair", verbosity=0)
    assert delivered_counts() == (12, 12, 12)


def test_no_delivery_waits_for_our_clock_to_be_right(clock: type[Clock]) -> None:
    """Leases go by PostgreSQL's."""
    for number, days in enumerate((-30, 30), start=1):
        clock.ahead = timedelta(days=days)
        put(framed([event(occurred_at=moment(days=100))]))
        assert delivered_counts()[::2] == (number, number)


def test_events_of_clients_whose_clocks_are_a_day_wrong_are_kept(client: Client) -> None:
    sent = [event(occurred_at=moment(hours=hours)) for hours in (24, -23.5)]
    answer = post(client, sent)
    assert (answer["accepted"], answer["rejected"]) == (2, 0)
    assert delivered_counts() == (2, 2, 2)


def test_an_event_of_a_clock_further_ahead_is_refused_by_name(client: Client) -> None:
    answer = post(client, [event(), event(occurred_at=moment(hours=-24.5))])
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    [error] = answer["errors"]
    assert (error["index"], error["field"]) == (1, "occurred_at")


def post(client: Client, events: list[dict[str, Any]]) -> dict[str, Any]:
    answer = client.post("/events?wait=true", json.dumps(events), content_type="application/json")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body
