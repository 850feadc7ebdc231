"""The memory of a web process stays within WEB_MEMORY_MEGABYTES, whatever it is asked.

All tests ask one server, so that each meets what those before it left behind.
"""

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import zstandard
from django.conf import settings

from config.memory.room import MIB
from embedded import ports
from events.api import search
from events.models import HotEvent
from events.storing import hot
from tests import web_server
from tests.factories import HotEventFactory
from tests.samples import event
from tests.waiting import wait_until
from tests.web_server import Web

pytestmark = [pytest.mark.usefixtures("stores"), pytest.mark.django_db(transaction=True)]

ANSWERS_AT_ONCE = 24
LARGE = 40
YEARS = "/stats/dau?from=1970-01-01&to=2070-01-01"
# Without its bounds a process takes more than twice its setting for its half of them.
BODIES_AT_ONCE = 10
VALID = json.dumps(event(properties={}))[:-1]


@pytest.fixture(scope="module")
def web(django_db_setup: None, clickhouse_schema: None) -> Iterator[Web]:
    with web_server.running() as running:
        yield running


@pytest.fixture
def _large_events(stores: None) -> None:
    hot.ensure_partitions(now=datetime.now(UTC))
    text = json.dumps({"text": "x" * 65_000})
    at = datetime.now(UTC).replace(microsecond=0)
    HotEvent.objects.bulk_create(
        HotEventFactory.build(properties=text, occurred_at=at) for _ in range(LARGE)
    )


def asked(web: Web, path: str) -> tuple[int, Any]:
    connection = HTTPConnection(ports.HOST, web.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def many(web: Web, path: str) -> Counter[int]:
    with ThreadPoolExecutor(ANSWERS_AT_ONCE) as pool:
        return Counter(pool.map(lambda _: asked(web, path)[0], range(ANSWERS_AT_ONCE)))


@pytest.mark.usefixtures("_large_events")
def test_many_who_ask_for_much_at_once_leave_it_within_its_setting(web: Web) -> None:
    # Also the first who ask, of whom each would begin to make the document.
    assert many(web, "/openapi.json") == {200: ANSWERS_AT_ONCE}
    for path in ("/events?limit=1000", YEARS):
        answers = many(web, path)
        assert set(answers) <= {200, 503}
        # Others are told to ask again.
        assert answers[200] >= 2, path
    assert web.status() == 200
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * MIB


@pytest.mark.usefixtures("_large_events")
def test_clients_that_do_not_read_their_answers_cost_no_more_than_the_setting(web: Web) -> None:
    used = []
    for _ in range(3):
        ask_and_do_not_read(web, "/events?limit=1000", clients=300)
        used.append(web.memory)
    # Nothing of them stays. The first also cost threads, which do.
    assert used[-1] < used[0] + 48 * MIB, used
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * MIB


def ask_and_do_not_read(web: Web, path: str, *, clients: int) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    idle = [_one_who_does_not_read(web, request) for _ in range(clients)]
    try:
        # They lose what they do not take to those who do, who may have to ask again.
        wait_until(lambda: asked(web, path)[0] == 200)
        assert web.status() == 200
    finally:
        for one in idle:
            one.close()


def _one_who_does_not_read(web: Web, request: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((ports.HOST, web.port))
    client.sendall(request)
    return client


@pytest.mark.usefixtures("_large_events")
def test_pages_end_early_where_events_are_large_and_lose_none(client: Any) -> None:
    shown: list[str] = []
    query = "limit=1000"
    while True:
        page = client.get(f"/events?{query}").json()
        texts = [len(json.dumps(event["properties"])) for event in page["events"]]
        assert texts
        assert sum(texts) <= search.PAGE_BYTES + len(texts)
        shown += [event["event_id"] for event in page["events"]]
        if not page["next"]:
            break
        query = f"limit=1000&cursor={page['next']}"
    assert len(shown) == len(set(shown)) == LARGE


def test_an_answer_comes_whole_and_once(web: Web) -> None:
    status, days = asked(web, YEARS)
    first = datetime(1970, 1, 1, tzinfo=UTC).date()
    assert status == 200
    assert [day["date"] for day in days] == [
        (first + timedelta(days=n)).isoformat() for n in range(len(days))
    ]
    assert days[-1]["date"] == "2070-01-01"


def ordinary() -> bytes:
    events = [event(properties={"text": "x" * 1_800, "n": n}) for n in range(9_000)]
    return json.dumps(events).encode()


def packed(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: zstandard.compress(make())


# What is sent, its encoding, and what those are told that there is room for.
BODIES: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "18 MB of events": (ordinary, "identity", 202),
    "lists": (packed(lambda: b"[" + b"[0]," * 4_999_990 + b"[0]]"), "zstd", 413),
    "numbers": (packed(lambda: b"[" + b"0," * 9_999_990 + b"0]"), "zstd", 413),
    "empty events": (packed(lambda: b"[" + b"{}," * 6_600_000 + b"{}]"), "zstd", 413),
    "the shortest events": (
        packed(lambda: b"[" + (VALID + "},").encode() * 100_000 + b"{}]"),
        "zstd",
        413,
    ),
    "keys": (
        packed(lambda: b"[{" + b",".join(b'"%d":0' % n for n in range(1_500_000)) + b"}]"),
        "zstd",
        400,
    ),
    "a property's lists": (
        packed(
            lambda: f'[{VALID}, "properties": {{"a": ['.encode() + b"[0]," * 4_900_000 + b"0]}}]"
        ),
        "zstd",
        400,
    ),
    "depth": (packed(lambda: b"[" * 20_000_000), "zstd", 400),
    "lone surrogates": (packed(lambda: b'["' + rb"\ud800" * 3_300_000 + b'"]'), "zstd", 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_it_takes_no_more_than_its_setting(web: Web, name: str) -> None:
    make, encoding, status = BODIES[name]
    body = make()
    with ThreadPoolExecutor(BODIES_AT_ONCE) as pool:
        answers = Counter(pool.map(lambda _: web.status(body, encoding), range(BODIES_AT_ONCE)))
        # One that there was no room for is told to come again, and others are served.
    assert web.status() == 200
    assert set(answers) <= {status, 503}
    assert answers[status] >= 1, answers
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * MIB


def test_large_events_that_are_stored_at_once_stay_within_it_too(web: Web) -> None:
    body = ordinary()
    with ThreadPoolExecutor(6) as pool:
        answers = Counter(pool.map(lambda _: web.status(body, query="?wait=true"), range(6)))
    assert set(answers) <= {200, 503}
    assert answers[200] >= 1
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * MIB
