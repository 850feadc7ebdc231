"""The server's short way of `POST /events`: what goes it, and that it answers as Django does."""

import asyncio
import json
import re
import threading
import time
from base64 import b64decode
from typing import Any

import hypothesis
import pytest
from django.test import Client, RequestFactory
from django_redis import get_redis_connection
from hypothesis import strategies as st

from config.memory import room
from config.memory.room import SMALL_BYTES
from config.middleware import access_log, rate_limit
from config.settings import _redis
from events.api import lane
from events.format.records import unframe
from events.ingest import property_schemas
from events.models import PropertySchema
from events.queueing import queue
from projects.models import Project
from tests.lane import LaneClient
from tests.posting import post, post_some
from tests.projects.made_keys import ago, bearer, secret
from tests.projects.made_projects import project
from tests.samples import event, records
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


def messages() -> list[list[dict[str, Any]]]:
    """The events of each message on the queue, which is empty then."""
    server = get_redis_connection("default")
    items = server.lrange("celery", 0, -1)[::-1]
    server.delete("celery")
    bodies = [json.loads(b64decode(json.loads(item)["body"]))[0][0] for item in items]
    return [[_named(record) for record in unframe(b64decode(body))] for body in bodies]


def _named(record: Any) -> dict[str, Any]:
    return {
        name: bytes(value) if isinstance(value, bytes) else value
        for name, value in ((name, getattr(record, name)) for name in record.__struct_fields__)
    }


def told(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """An answer, without what depends on the moment and on the id of the request."""
    # The server adds it where Django has not.
    length = answer.headers.pop("Content-Length", None)
    assert length is None or int(length[1]) == len(answer.content)
    headers = {name: re.sub(r"r=\d+;t=\d+", "", value) for name, value in answer.items()}
    if len(headers.get("X-Request-ID", "")) == 32:
        headers["X-Request-ID"] = "made here"
    return answer.status_code, answer.content, headers


# --- the same answers both ways

_EVENTS = st.one_of(
    st.builds(
        event,
        user_id=st.text(max_size=5) | st.just("u1"),
        event_type=st.sampled_from(["buy", "", "x" * 200, "a\x00"]),
        properties=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)),
    ),
    st.builds(event),
    st.sampled_from([event(event_id=...), event(more=1), event(occurred_at="then"), 1, None]),
)
A_HUNDRED = [event(properties={"text": "x" * 100}) for _ in range(100)]
_BODIES = st.one_of(
    st.lists(_EVENTS, max_size=3).map(json.dumps),
    st.builds(event).map(lambda one: json.dumps({"events": [one]})),
    st.lists(st.builds(event), min_size=1, max_size=3).map(json.dumps),
    st.lists(_EVENTS, max_size=1).map(lambda odd: json.dumps([*A_HUNDRED, *odd])),
    st.sampled_from(["", "[", "{}", "[]", '{"events": 1}', " [ ] ", "\ufeff[]"]),
)
_QUERIES = st.sampled_from(["", "", "?strict=true"])
_HEADERS = st.lists(
    st.sampled_from(
        [
            *(("X-Request-ID", value) for value in ("mine", "not an id", "x" * 65, "")),
            *(("Origin", f"{value}") for value in ("https://shop.example", "null")),
            *(("X-Forwarded-For", value) for value in ("1.1.1.1", "1.1.1.1, 2.2.2.2", "nobody")),
            *(("X-Forwarded-Proto", value) for value in ("http", "https")),
            *(("Content-Encoding", value) for value in ("identity", "gzip", "")),
            *(("Host", value) for value in ("testserver", "stranger.example", "localhost:8000")),
            *(("Cookie", value) for value in ("sessionid=x", "a=b")),
            *(("Accept", "text/html"), ("Origin", "http://testserver"), ("X-Anything", "else")),
        ]
    ),
    max_size=2,
    unique_by=lambda pair: pair[0],
).map(dict)
_KEYS = st.sampled_from(["ingest", "ingest", "ingest", "", "read", "ea_nobody"])


@pytest.mark.parametrize("is_required", [False, True], ids=["open", "keys required"])
def test_whatever_is_sent_is_answered_and_queued_as_django_does(
    settings: Any, is_required: bool
) -> None:
    settings.API_KEYS_REQUIRED = is_required
    settings.CORS_ORIGINS = ["https://shop.example"]
    settings.TRUSTED_PROXIES = 1
    keys = {"ingest": secret("ingest"), "read": secret("read")}
    short, django = LaneClient(), Client()
    post_some(short)
    short.settled = True
    messages()

    @hypothesis.settings(max_examples=100, deadline=None)
    @hypothesis.given(body=_BODIES, headers=_HEADERS, key=_KEYS, query=_QUERIES)
    def compare(body: str, headers: dict[str, str], key: str, query: str) -> None:
        if key:
            headers |= {"X-API-Key": keys.get(key, key)}
        # Django may have told it to forget one.
        django.cookies.clear()
        short.cookies.clear()
        expected = told(post(django, body, query, **headers)), messages()
        assert (told(post(short, body, query, **headers)), messages()) == expected

    compare()
    assert short.taken > 10


# --- who goes which way


def goes(client: LaneClient, body: Any = None, query: str = "", **headers: str) -> bool:
    """Whether a request goes the short way. It has to be accepted either way."""
    before = client.taken
    answer = post(client, [event()] if body is None else body, query, **headers)
    assert answer.status_code in (200, 202), answer.content
    return client.taken > before


def test_an_event_of_a_browser_and_one_of_a_program_go_it() -> None:
    client = LaneClient()
    browser = {
        **{"User-Agent": "Mozilla/5.0", "Accept-Language": "uk", "Referer": "http://testserver/"},
        **{"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin", "DNT": "1"},
    }
    post(client, [event()])  # what is known of the project may be too old
    assert goes(client, **browser)
    key = bearer(secret("ingest"))
    post(client, [event()], **key)  # it may be the first to hear of the key
    assert goes(client, **key)
    assert goes(client, {"events": [event() for _ in range(5)]})
    assert len(json.dumps(A_HUNDRED)) > SMALL_BYTES
    assert goes(client, A_HUNDRED)


def test_what_is_unusual_goes_by_django(settings: Any) -> None:
    client = LaneClient()
    assert not goes(client, query="?strict=true")
    assert not goes(client, query="?wait=true")
    assert not goes(client, **{"X-Anything": "else"})
    assert not goes(client, **{"Content-Encoding": "identity"})
    assert not goes(client, [event(properties={"long": "x" * (lane._MOST_BYTES // 2)})] * 2)
    assert not goes(client, [event(), event(user_id="")])


def test_a_body_that_needs_a_long_look_does_not_hold_up_the_event_loop() -> None:
    """What looks like a key that comes twice is looked at closer, which takes long in a large body.

    The server has one event loop for all clients.
    """
    client = LaneClient()
    odd = event(properties={"quoted": '":'})
    assert goes(client, [odd])
    assert not goes(client, [odd, event(properties={"long": "x" * SMALL_BYTES})])


@pytest.mark.parametrize("rule", ["rate_limit_per_minute", "events_per_month", "history_from"])
def test_a_project_with_a_rule_of_its_own_goes_by_django(rule: str) -> None:
    value = "2020-01-01" if rule == "history_from" else 1_000
    Project.objects.filter(pk=1).update(**{rule: value})
    assert not goes(LaneClient())
    Project.objects.filter(pk=1).update(**{rule: None})


def test_a_project_with_a_schema_goes_by_django(monkeypatch: Any) -> None:
    monkeypatch.setattr(property_schemas, "_loaded_at", float("-inf"))
    PropertySchema.objects.create(project_id=1, event_type="other", schema={}, enabled=True)
    assert not goes(LaneClient())
    PropertySchema.objects.all().delete()
    monkeypatch.setattr(property_schemas, "_loaded_at", float("-inf"))
    assert goes(LaneClient())


def test_who_is_over_the_limit_is_refused_and_takes_no_token_of_another_way(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 3
    client = LaneClient()
    answers = [post_some(client) for _ in range(5)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429, 429]
    assert client.taken == 3
    assert [one["RateLimit"].partition(";")[2][:3] for one in answers] == [
        "r=2",
        "r=1",
        *["r=0"] * 3,
    ]


def test_an_event_goes_to_the_project_of_its_key() -> None:
    client = LaneClient()
    with project() as other:
        key = bearer(secret("ingest", project=other))
        assert [post(client, [event()], **key).status_code for _ in range(2)] == [202, 202]
        items = get_redis_connection("default").lrange("celery", 0, -1)
    assert client.taken
    assert [json.loads(b64decode(json.loads(it)["body"]))[0][1] for it in items] == [other.pk] * 2


def test_a_key_that_expires_is_refused_from_that_moment_on() -> None:
    client, key = LaneClient(), bearer(secret("ingest", expires_at=ago(seconds=-2)))
    assert [post(client, [event()], **key).status_code for _ in range(2)] == [202, 202]
    assert client.taken
    wait_until(lambda: post(client, [event()], **key).status_code == 401, seconds=10)
    assert [post(client, [event()], **key).status_code for _ in range(5)] == [401] * 5


# --- requests that come together


def together(count: int, client: LaneClient | None = None) -> list[int | None]:
    """The statuses of requests that come within a turn; None is for Django."""
    client = client or LaneClient()
    about = {"REQUEST_METHOD": "POST", "PATH_INFO": "/events", "QUERY_STRING": ""}
    given = client._base_environ(**about)  # type: ignore[attr-defined]
    given |= {"CONTENT_TYPE": "application/json", "HTTP_COOKIE": ""}
    bodies = [json.dumps([event(user_id=f"u{n}")]).encode() for n in range(count)]

    async def all_at_once() -> list[int | None]:
        asked = (
            lane.answer(["content-type"], given | {"CONTENT_LENGTH": str(len(body))}, body)
            for body in bodies
        )
        return [None if one is None else one.status for one in await asyncio.gather(*asked)]

    assert goes(client)  # all that has to be known is known
    messages()
    return asyncio.run(all_at_once())


def test_they_share_one_call_of_the_limit_and_one_message() -> None:
    get_redis_connection("rate_limit").config_resetstat()
    assert together(20) == [202] * 20
    [events] = messages()
    assert [one["user_id"] for one in events] == [f"u{n}" for n in range(20)]
    calls = get_redis_connection("rate_limit").info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls == 2  # one of them is that of the request before


def test_the_last_tokens_go_to_those_that_came_first(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 4
    assert together(5) == [202, 202, 202, None, None]


def test_a_limit_that_cannot_be_read_refuses_all_and_nothing_is_queued(monkeypatch: Any) -> None:
    get_redis_connection("rate_limit").set("rate_limit:127.0.0.1", "no bucket")
    answer = post_some(LaneClient())
    assert answer.status_code == 503
    monkeypatch.setattr(rate_limit, "is_shared", lambda: False)
    assert told(post_some(LaneClient())) == told(answer)
    assert messages() == []


def test_a_cluster_that_is_nowhere_refuses_as_it_does_in_django(settings: Any) -> None:
    nowhere = _redis("redis+cluster://127.0.0.1:1")
    settings.CACHES = {**settings.CACHES, "rate_limit": nowhere}
    client = LaneClient()
    answer = post_some(client)
    assert (answer.status_code, client.taken) == (503, 1)
    assert told(answer) == told(post_some(Client()))
    assert messages() == []


def test_where_each_bucket_has_its_node_django_asks_for_each(monkeypatch: Any) -> None:
    monkeypatch.setattr(rate_limit, "is_shared", lambda: False)
    assert not goes(LaneClient())


def test_what_nobody_expected_ends_nobody_elses_turn(monkeypatch: Any) -> None:
    """The server has Django answer then."""
    real, client = queue.put_all, LaneClient()
    monkeypatch.setattr(queue, "put_all", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        post_some(client)
    monkeypatch.setattr(lane._turns._thread, "submit", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        post_some(client)
    monkeypatch.undo()
    assert queue.put_all is real
    assert goes(client)


def test_an_error_of_the_queue_that_nobody_expected_is_503(monkeypatch: Any) -> None:
    monkeypatch.setattr(queue, "_publish", lambda *_: 1 / 0)
    assert post_some(LaneClient()).status_code == 503


def test_the_event_loop_writes_no_log(monkeypatch: Any) -> None:
    """Seen: a standard error that nobody read, and no request had an answer."""
    writers = set()
    real = access_log.note

    def note(*given: Any) -> None:
        writers.add(threading.current_thread())
        real(*given)

    monkeypatch.setattr(access_log, "note", note)
    assert goes(LaneClient())
    assert writers
    assert threading.current_thread() not in writers


def test_a_queue_that_does_not_answer_is_waited_for_once(monkeypatch: Any) -> None:
    tried = []

    def away(*given: Any) -> None:
        tried.append(given)
        raise OSError("no answer")

    monkeypatch.setattr(queue, "_publish", away)
    wanted = [queue.Wanted(project, records([event()]), "") for project in (1, 2, 3)]
    assert [type(error) for error in queue.put_all(wanted)] == [queue.QueueUnavailable] * 3
    assert len(tried) == 1


def test_what_is_wrong_with_one_project_keeps_no_other_from_the_queue(monkeypatch: Any) -> None:
    real = queue._publish

    def broken(project: int, *others: Any) -> None:
        if project == 1:
            raise ZeroDivisionError
        real(project, *others)

    monkeypatch.setattr(queue, "_publish", broken)
    wanted = [queue.Wanted(project, records([event()]), "") for project in (1, 2)]
    assert [error is None for error in queue.put_all(wanted)] == [False, True]
    assert len(messages()) == 1


def test_odd_headers_of_strangers_take_no_memory() -> None:
    client = LaneClient()
    client.settled = True
    for number in range(lane._MOST_SHAPES + 20):
        post(client, [event()], Origin=f"https://{number}.example")
    kept = len(lane._shapes)
    assert 0 < kept <= lane._MOST_SHAPES
    post(client, [event()], Origin="https://" + "x" * lane._MOST_CHARACTERS)
    post(client, [event()], Host="stranger.example")
    assert len(lane._shapes) == kept


def test_django_hears_nothing_of_who_was_found_before(monkeypatch: Any) -> None:
    """It may have waited since then, and a key may have been revoked."""
    key = secret("ingest")
    environ = {
        **LaneClient()._base_environ(REQUEST_METHOD="POST", PATH_INFO="/events"),  # type: ignore[attr-defined]
        **{"QUERY_STRING": "", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "2"},
        "HTTP_X_API_KEY": key,
    }
    post_some(LaneClient())
    before = {**environ}
    assert asyncio.run(lane.answer(["x-api-key"], environ, b"[]")) is None
    assert environ == before


def test_a_request_takes_no_more_room_than_its_events_need() -> None:
    body = json.dumps([event()]).encode()

    async def held() -> int:
        share = await room.small_work.take(room.work_bytes(len(body)), seconds=1)
        with room.held(share):
            request = RequestFactory().post("/events")
            asked = lane._asked(request, body, 0.0)
        assert asked is not None
        size = share.size
        share.release()
        return size

    assert goes(LaneClient())
    assert asyncio.run(held()) == room.work_bytes(len(body), events=1)


def test_a_client_that_leaves_holds_up_nobody(monkeypatch: Any) -> None:
    real = queue.put_all

    def slow(wanted: Any) -> Any:
        time.sleep(0.2)
        return real(wanted)

    async def leave_and_ask() -> Any:
        leaving = asyncio.ensure_future(lane._turns(_asked()))
        await asyncio.sleep(0.05)
        leaving.cancel()
        return await lane._turns(_asked())

    monkeypatch.setattr(queue, "put_all", slow)
    assert asyncio.run(leave_and_ask()).error is None
    assert len(messages()) == 2


def _asked() -> Any:
    request = RequestFactory().post("/events")
    return lane._Request(lane._UNLIMITED, 1, records([event()]), "mine", request, 0.0)
