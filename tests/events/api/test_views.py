"""`/events` as its clients see it."""

import gzip
import json
import uuid
from base64 import b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings
from django.http import QueryDict
from django.test import Client

from config.memory import room
from events.api.query_parameters import search_filters
from events.api.search import search
from events.format.records import unframe
from events.ingest import property_schemas
from events.models import Dedup, PropertySchema
from events.tasks import store_events
from tests.samples import event, moment

pytestmark = pytest.mark.usefixtures("stores")


def post(client: Client, body: Any, query: str = "", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/events{query}", data, content_type="application/json", headers=headers)


def _cursor(occurred_at: str) -> str:
    text = f"{occurred_at} 0191f5a0-0000-7000-8000-000000000001"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


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


def test_properties_are_held_to_their_types_schema(client: Client) -> None:
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


def test_the_hot_layer_answers_newest_first_page_by_page(client: Client) -> None:
    sent = [event(occurred_at=moment(minutes=n), user_id=f"u{n % 2}") for n in range(7)]
    post(client, sent, "?wait=true")
    shown: list[str] = []
    query = "?limit=3"
    while True:
        page = client.get(f"/events{query}").json()
        shown += [e["event_id"] for e in page["events"]]
        if not page["next"]:
            break
        query = f"?limit=3&cursor={page['next']}"
    assert shown == [e["event_id"] for e in sent]


def test_pages_do_not_lose_events_of_the_same_moment(client: Client) -> None:
    at = moment(minutes=5)
    sent = [event(occurred_at=at) for _ in range(10)]
    post(client, sent, "?wait=true")
    first = client.get("/events?limit=4").json()
    second = client.get(f"/events?limit=10&cursor={first['next']}").json()
    ids = {e["event_id"] for e in first["events"] + second["events"]}
    assert ids == {e["event_id"] for e in sent}
    assert second["next"] is None


def test_the_hot_layer_is_filtered(client: Client) -> None:
    olga = event(user_id="olga", occurred_at=moment(hours=3))
    ivan = event(user_id="ivan", event_type="purchase", occurred_at=moment(hours=1))
    post(client, [olga, ivan], "?wait=true")

    def ids(query: str) -> list[str]:
        return [e["event_id"] for e in client.get(f"/events?{query}").json()["events"]]

    assert ids("user_id=olga") == [olga["event_id"]]
    assert ids("event_type=purchase") == [ivan["event_id"]]
    assert ids("user_id=olga&event_type=purchase") == []
    between = moment(hours=2).replace("+", "%2B")
    assert ids(f"from={between}") == [ivan["event_id"]]
    assert ids(f"to={between}") == [olga["event_id"]]
    day = ivan["occurred_at"][:10]
    assert ivan["event_id"] in ids(f"from={day}&to={day}")
    exact = ivan["occurred_at"].replace("+", "%2B")
    assert ids(f"from={exact}&to={exact}") == [ivan["event_id"]]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("from=yesterday", "from"),
        ("from=2025-02-30", "from"),
        ("to=2025-01-01T00:00:00", "to"),
        ("from=2025-01-02&to=2025-01-01", "from"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e3", "limit"),
        ("cursor=abc", "cursor"),
        ("user_id=", "user_id"),
        ("user_id=a&user_id=b", "user_id"),
        ("event_type=%00", "event_type"),
        ("page=2", "page"),
        ("from=2026-W01-1", "from"),
        ("to=20260101", "to"),
        ("from=0001-01-01T00:00:00%2B00:01", "from"),
        ("to=9999-12-31T23:59:59.999-23:59", "to"),
        ("to=2026-01-01T23:59:60Z", "to"),
        ("from=2026-01-01T00:00:00.001Z&to=2026-01-01T00:00:00.000999Z", "from"),
        (f"cursor={_cursor('0001-01-01T00:00:00+00:01')}", "cursor"),
        (f"cursor={_cursor('2026-01-01T00:00:00')}", "cursor"),
        (f"cursor={_cursor('2026-01-01T00:00:00Z')}!", "cursor"),
    ],
)
def test_a_wrong_search_parameter_is_named(client: Client, query: str, parameter: str) -> None:
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


EDGES = [
    "0001-01-01",
    "0001-01-01T00:00:00Z",
    "0001-01-01T23:59:00+23:59",
    "2026-01-01T00:00:00+16:00",
    "2026-01-01T00:00:00-16:00",
    "2026-01-01T00:00:00+23:59:59.999999",
    "9999-12-31",
    "9999-12-31T00:00:00-23:59",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999999Z",
]


@pytest.mark.parametrize("edge", EDGES)
def test_every_instant_of_the_calendar_can_be_searched_with(client: Client, edge: str) -> None:
    is_late = edge.startswith("9999")
    sent = event()
    post(client, [sent], "?wait=true")

    def found(**query: str) -> bool:
        answer = client.get("/events", query)
        assert answer.status_code == 200, answer.content
        return [one["event_id"] for one in answer.json()["events"]] == [sent["event_id"]]

    assert found(**{"from": edge}) is not is_late
    assert found(to=edge) is is_late
    assert found(**{"from": edge, "to": edge}) is False
    if "T" in edge:
        assert found(cursor=_cursor(edge)) is is_late


def test_what_is_finer_than_a_millisecond_is_cut_off_like_that_of_events(client: Client) -> None:
    second = moment(minutes=5)[:19]
    sent = [event(occurred_at=f"{second}.{digits}Z") for digits in ("000", "001", "001999")]
    post(client, sent, "?wait=true")
    first, *later = [one["event_id"] for one in sent]

    def ids(**query: str) -> set[str]:
        return {one["event_id"] for one in client.get("/events", query).json()["events"]}

    assert ids(to=f"{second}.0005Z") == {first}
    assert ids(**{"from": f"{second}.0009Z", "to": f"{second}.0001Z"}) == {first}
    assert ids(**{"from": f"{second}.0019Z"}) == {*later}


@pytest.mark.parametrize(("limit", "size"), [(2, 528_288), (1_000, 6_194_304)])
def test_a_page_has_room_for_its_properties_and_rows_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, limit: int, size: int
) -> None:
    monkeypatch.setattr(room, "work", room.Room(size))
    share = room.Share(room.work, 0)
    with room.held(share):
        search(filters=search_filters(QueryDict(f"limit={limit}")))
    assert share.size == size


def test_sql_in_a_search_parameter_is_only_text(client: Client) -> None:
    post(client, [event()], "?wait=true")
    for text in ("' OR '1'='1", "'; DROP TABLE hot_events; --", "%27%20OR%201=1"):
        assert client.get("/events", {"user_id": text}).json()["events"] == []
    assert len(client.get("/events").json()["events"]) == 1


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
    store_events.run([json.loads(b64decode(body))[0][0]])
    assert str(Dedup.objects.get().event_id) == sent["event_id"]
