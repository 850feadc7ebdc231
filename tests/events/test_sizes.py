"""Bytes as well as counts bound what a message, a transaction and a block for ClickHouse hold."""

import json
from typing import Any

import pytest
from django.test import Client

from events.delivery import background, deliver
from events.format import records
from events.format.records import decoded_bytes, frame, frames, unframe
from events.models import Batch
from events.queueing.batching import _Collector
from events.storing.store import store
from events.tasks import store_events
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.samples import event
from tests.samples import records as made
from tests.stored import deliver_all

MEGABYTE = 1024 * 1024


def large(count: int) -> list[records.Record]:
    """Events of 60 KB that compress to nothing."""
    return made(event(properties={"text": "x" * 60_000}) for _ in range(count))


def test_a_frame_is_cut_by_bytes_before_it_has_its_thousand_events() -> None:
    sent = large(310)
    cut = list(frames(sent))
    assert sum(count for _, count in cut) == 310
    assert len(cut) == 4
    assert all(decoded_bytes(data) <= records.FRAME_BYTES for data, _ in cut)
    assert [record.event_id for data, _ in cut for record in unframe(data)] == [
        record.event_id for record in sent
    ]


def test_an_event_larger_than_a_frame_is_a_frame_of_its_own(monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "FRAME_BYTES", 100)
    assert [count for _, count in frames(large(3))] == [1, 1, 1]


def test_the_size_of_a_frame_is_that_of_its_lines() -> None:
    sent = large(2)
    assert decoded_bytes(frame(sent)) == len(records._encode_lines(sent))


class Message:
    """As much of a message as the collector looks at."""

    body, content_type, content_encoding = "[]", "application/json", "utf-8"

    def __init__(self, **headers: int) -> None:
        self.headers = headers


class Worker:
    """Pool and timer of a worker; `calls` are the messages of each call."""

    def __init__(self) -> None:
        self.pool = self.timer = self
        self.calls: list[int] = []

    def apply_async(self, _: Any, arguments: tuple[str, list[Any]], **__: Any) -> None:
        self.calls.append(len(arguments[1]))

    def call_after(self, *_: Any) -> "Worker":
        return self

    def cancel(self) -> None:
        """No timer here ever fires."""


def calls(*sizes: int) -> list[int]:
    """How many messages each call had that was made of messages of so many bytes."""
    worker = Worker()
    collector = _Collector(store_events, worker)
    for size in sizes:
        message: Any = Message(weight=310, bytes=size)
        collector.receive(message)
    collector._flush()
    return worker.calls


def test_a_worker_takes_no_more_bytes_at_once_than_a_block_may_have() -> None:
    assert calls(*[8 * MEGABYTE] * 9) == [4, 4, 1]
    assert calls(*[1000] * 9) == [9]


def test_a_message_larger_than_that_is_taken_alone() -> None:
    assert calls(1000, 64 * MEGABYTE, 1000) == [1, 1, 1]


@pytest.mark.usefixtures("stores")
def test_a_request_that_takes_several_transactions_answers_for_all_of_them(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if 10,000 of the largest events had been sent.
    monkeypatch.setattr(records, "FRAME_BYTES", 100)
    sent = [event() for _ in range(3)]
    body = json.dumps([*sent, *sent[:2]]).encode()
    answer = client.post("/events?wait=true", body, content_type="application/json").json()
    assert (answer["accepted"], answer["duplicates"]) == (3, 2)
    assert Batch.objects.count() > 1


@pytest.mark.usefixtures("stores")
def test_batches_share_a_block_only_as_far_as_their_bytes_allow(monkeypatch: Any) -> None:
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    monkeypatch.setattr(deliver, "BLOCK_BYTES", 500_000)
    for _ in range(5):
        store(project=DEFAULT, frames=[frame(large(4))], source=Batch.Source.QUEUE)
    assert {batch.decoded_bytes // 1000 for batch in Batch.objects.all()} == {240}
    deliver_all()
    assert blocks() == 3
    assert engine.query("SELECT count() FROM events") == [[20]]


@pytest.mark.usefixtures("stores")
def test_a_batch_larger_than_a_block_is_delivered_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    monkeypatch.setattr(deliver, "BLOCK_BYTES", 1000)
    for _ in range(2):
        store(project=DEFAULT, frames=[frame(large(1))], source=Batch.Source.QUEUE)
    deliver_all()
    assert blocks() == 2


def blocks() -> int:
    """How many the batches made, whoever delivered them: a test before may have woken a thread."""
    return Batch.objects.filter(merged_into=None).count()
