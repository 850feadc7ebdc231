"""An event is kept once, however, wherever and how often it is sent."""

import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from analytics import clickhouse as engine
from analytics import inserting
from events.models import Batch, HotEvent
from events.storing.store import Stored, store
from projects.models import DEFAULT
from tests.meanwhile import at_once
from tests.posting import post_taken
from tests.samples import event, framed
from tests.stored import deliver_all, delivered_counts

pytestmark = pytest.mark.usefixtures("stores")


def post(client: Client, *events: dict[str, Any]) -> dict[str, Any]:
    return post_taken(client, list(events), "?wait=true")


def test_an_event_twice_in_one_request_is_kept_once(client: Client) -> None:
    twice = event()
    answer = post(client, twice, event(), twice)
    assert (answer["received"], answer["accepted"], answer["duplicates"]) == (3, 2, 1)
    assert delivered_counts() == (2, 2, 2)


def test_the_first_of_two_events_with_one_id_wins(client: Client) -> None:
    event_id = str(uuid.uuid4())
    post(client, event(event_id=event_id, user_id="first"), event(event_id=event_id, user_id="no"))
    post(client, event(event_id=event_id.upper(), user_id="later"))
    assert delivered_counts() == (1, 1, 1)
    assert HotEvent.objects.get().user_id == "first"
    assert engine.query("SELECT user_id FROM events", project=DEFAULT) == [["first"]]


def test_a_request_sent_again_stores_nothing_new(client: Client) -> None:
    sent = [event() for _ in range(50)]
    assert post(client, *sent)["accepted"] == 50
    for _ in range(3):
        answer = post(client, *sent)
        assert (answer["accepted"], answer["duplicates"]) == (0, 50)
    assert delivered_counts() == (50, 50, 50)


def test_a_request_partly_known_stores_the_rest(client: Client) -> None:
    known, fresh = [event() for _ in range(30)], [event() for _ in range(30)]
    post(client, *known)
    answer = post(client, *known, *fresh)
    assert (answer["accepted"], answer["duplicates"]) == (30, 30)
    assert delivered_counts() == (60, 60, 60)


def test_one_known_event_among_thousands_is_found(client: Client) -> None:
    known = event()
    post(client, known)
    answer = post(client, *[event() for _ in range(3000)], known)
    assert (answer["accepted"], answer["duplicates"]) == (3000, 1)
    assert delivered_counts() == (3001, 3001, 3001)


def test_events_older_than_the_hot_window_are_kept_once_too(client: Client) -> None:
    old = event(occurred_at="2019-05-05T10:00:00Z")
    for expected in (1, 0):
        assert post(client, old)["accepted"] == expected
    assert delivered_counts() == (1, 0, 1)


def test_a_file_and_http_keep_an_event_once(client: Client, tmp_path: Path) -> None:
    both, only_file = event(), event()
    post(client, both)
    file = tmp_path / "events.csv"
    rows = [
        f"{e['event_id']},{e['occurred_at']},{e['user_id']},{e['event_type']}"
        for e in (both, only_file)
    ]
    file.write_text("\n".join(["event_id,occurred_at,user_id,event_type", *rows]) + "\n")
    call_command("import_events", str(file))
    assert post(client, only_file)["duplicates"] == 1
    assert delivered_counts() == (2, 2, 2)


def store_request(events: list[dict[str, Any]]) -> Stored:
    return store(frames=[framed(events)], source=Batch.Source.REQUEST, project=DEFAULT)


def test_racing_requests_with_the_same_events_are_counted_exactly() -> None:
    sent = [event() for _ in range(500)]
    orders = [sent, sent[::-1], sent[250:] + sent[:250], sent[::2] + sent[1::2]]
    results = at_once(partial(store_request, order) for order in orders)
    assert sum(result.stored for result in results) == 500
    assert sum(result.duplicates for result in results) == 1500
    assert delivered_counts() == (500, 500, 500)


def test_racing_requests_that_overlap_in_part_are_counted_exactly() -> None:
    sent = [event() for _ in range(600)]
    parts = [sent[start : start + 200] for start in range(0, 401, 50)]
    results = at_once(partial(store_request, part) for part in parts)
    assert sum(result.stored for result in results) == 600
    assert delivered_counts() == (600, 600, 600)


def test_a_block_delivered_twice_counts_once_in_events_and_rollups(client: Client) -> None:
    post(client, *[event(user_id=f"u{n}") for n in range(10)])
    deliver_all()
    [batch] = Batch.objects.all()
    body = framed([event(user_id=f"v{n}") for n in range(10)])
    inserting.insert_block(token=str(batch.pk), body=body, project=DEFAULT)
    day = event()["occurred_at"][:10]
    answer = client.get(f"/stats/dau?from={day}&to={day}").json()
    assert delivered_counts()[2] == 10
    assert sum(row["unique_users"] for row in answer) == 10


def test_the_thousand_and_first_request_of_a_minute_is_refused(
    client: Client, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 5
    sent = [event() for _ in range(8)]
    body = [json.dumps([one]) for one in sent]
    answers = [
        client.post("/events?wait=true", text, content_type="application/json") for text in body
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert int(answers[-1]["Retry-After"]) >= 1
    assert delivered_counts() == (5, 5, 5)
