"""`POST /events` as its clients see it."""

import gzip
import json
import uuid
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client

from events.format.records import unframe
from events.ingest import property_schemas
from events.models import Dedup, PropertySchema
from events.tasks import store_events
from tests.posting import post
from tests.samples import event

pytestmark = pytest.mark.usefixtures("stores")
BOTH_WAYS = True


def queued() -> list[tuple[int, list[str]]]:
    """Weight and event ids of each message on the queue."""
    queue = redis.from_url(settings.REDIS_URL)
    messages = [json.loads(text) for text in queue.lrange("celery", 0, -1)][::-1]
    return [(m["headers"]["weight"], _ids(m)) for m in messages]


def _ids(message: dict[str, Any]) -> list[str]:
    arguments = json.loads(b64decode(message["body"]))[0]
    return [record.event_id for record in unframe(b64decode(arguments[0]))]


def test_valid_events_go_on_the_queue(client: Client) -> None:
    sent = [event(), event()]
    answer = post(client, {"events": sent})
    assert answer.status_code == 202
    assert answer.json() == {"received": 2, "accepted": 2, "rejected": 0, "errors": []}
    assert queued() == [(2, [sent[0]["event_id"], sent[1]["event_id"]])]
    assert Dedup.objects.count() == 0


def test_a_large_request_is_cut_into_messages_of_a_thousand(client: Client) -> None:
    post(client, [event() for _ in range(2500)])
    assert [weight for weight, _ in queued()] == [1000, 1000, 500]


def test_an_invalid_event_is_named_and_the_rest_accepted(client: Client) -> None:
    bad = event(occurred_at="2025-02-30T00:00:00Z")
    answer = post(client, [event(), bad, event()])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["received"], body["accepted"], body["rejected"]) == (3, 2, 1)
    [error] = body["errors"]
    assert error["index"] == 1
    assert error["event_id"] == bad["event_id"]
    assert (error["field"], error["code"]) == ("occurred_at", "format")
    assert len(queued()[0][1]) == 2


def test_a_strict_request_with_an_invalid_event_is_refused_whole(client: Client) -> None:
    for query in ("?strict=true", "?strict=true&wait=true"):
        answer = post(client, [event(), event(user_id="")], query)
        assert answer.status_code == 400
        body = answer.json()
        assert (body["received"], body["accepted"], body["rejected"]) == (2, 0, 2)
        assert len(body["errors"]) == 1
    assert queued() == []
    assert Dedup.objects.count() == 0


def test_nothing_but_invalid_events_is_a_bad_request(client: Client) -> None:
    answer = post(client, [event(user_id=""), 5])
    assert answer.status_code == 400
    assert answer.json()["rejected"] == 2
    assert queued() == []


def test_no_events_are_no_error(client: Client) -> None:
    for query in ("", "?wait=true"):
        answer = post(client, [], query)
        assert answer.status_code in (200, 202)
        assert answer.json()["received"] == 0


def test_waiting_answers_what_was_stored(client: Client) -> None:
    known = event()
    post(client, [known], "?wait=true")
    answer = post(client, [known, event(), event(event_id="?")], "?wait=true")
    assert answer.status_code == 200
    body = answer.json()
    assert body["errors"][0]["index"] == 2
    assert (body["received"], body["accepted"], body["duplicates"], body["rejected"]) == (
        3,
        1,
        1,
        1,
    )


def test_a_compressed_request_is_understood(client: Client) -> None:
    body = gzip.compress(json.dumps([event()]).encode())
    assert post(client, body, Content_Encoding="gzip").json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"events", 400, "not JSON"),
        (b"", 400, "empty"),
        (b'{"event": []}', 400, "array of events"),
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", 413, "more than 10000 events"),
        (b" " * (20 * 1024 * 1024 + 1), 413, "20971520 bytes"),
    ],
)
def test_a_body_that_is_no_events_is_a_problem(
    client: Client, body: bytes, status: int, said: str
) -> None:
    answer = post(client, body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_another_content_type_is_a_problem(client: Client) -> None:
    answer = client.post("/events", b"[]", content_type="text/plain")
    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"


def test_an_unknown_parameter_is_named(client: Client) -> None:
    answer = post(client, [event()], "?waite=true&strict=perhaps")
    assert answer.status_code == 400
    assert {error["parameter"] for error in answer.json()["errors"]} == {"waite", "strict"}
    assert queued() == []


def test_properties_are_checked_against_the_schema_of_their_type(client: Client) -> None:
    PropertySchema.objects.create(
        event_type="purchase",
        schema={
            "type": "object",
            "required": ["total"],
            "properties": {"total": {"type": "number"}},
        },
    )
    property_schemas._loaded_at = 0.0
    sent = [
        event(event_type="purchase", properties={"total": 5}),
        event(user_id=""),
        event(event_type="purchase", properties={"total": "5"}),
        event(event_type="page_view", properties={}),
    ]
    body = post(client, sent).json()
    assert body["accepted"] == 2
    assert [(e["index"], e["code"]) for e in body["errors"]] == [(1, "length"), (2, "schema")]
    assert "$.total" in body["errors"][1]["message"]
    PropertySchema.objects.all().delete()
    property_schemas._loaded_at = 0.0


def test_requests_that_arrive_together_share_messages() -> None:
    sent = [event() for _ in range(64)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda one: post(Client(), [one]), sent))
    assert {answer.status_code for answer in answers} == {202}
    on_queue = queued()
    assert sorted(i for _, ids in on_queue for i in ids) == sorted(e["event_id"] for e in sent)
    assert len(on_queue) < len(sent)


def test_other_methods_and_paths_are_problems(client: Client) -> None:
    assert client.put("/events").status_code == 405
    assert client.put("/events")["Content-Type"] == "application/problem+json"
    assert client.get("/nothing").status_code == 404
    assert client.get("/nothing")["Content-Type"] == "application/problem+json"


def test_a_task_of_the_queue_stores_what_was_accepted(client: Client) -> None:
    sent = event(event_id=str(uuid.uuid4()))
    post(client, [sent])
    body = json.loads(redis.from_url(settings.REDIS_URL).lrange("celery", 0, -1)[0])["body"]
    store_events.run([json.loads(b64decode(body))[0]])
    assert str(Dedup.objects.get().event_id) == sent["event_id"]
