"""The memory of a web process stays within WEB_MEMORY_MEGABYTES, whatever comes at once."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from django.conf import settings

from tests import web_server
from tests.samples import event
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")
# Without its bounds a process takes more than twice its setting for its half of them.
AT_ONCE = 10
VALID = json.dumps(event(properties={}))[:-1]


@pytest.fixture(scope="module")
def web(django_db_setup: None, clickhouse_schema: None) -> Iterator[Web]:
    with web_server.running() as running:
        yield running


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
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(lambda _: web.status(body, encoding), range(AT_ONCE)))
        # One that there was no room for is told to come again, and others are served.
    assert web.status() == 200
    assert set(answers) <= {status, 503}
    assert answers[status] >= 1, answers
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * 1024 * 1024


def test_large_events_that_are_stored_at_once_stay_within_it_too(web: Web) -> None:
    body = ordinary()
    with ThreadPoolExecutor(6) as pool:
        answers = Counter(pool.map(lambda _: web.status(body, query="?wait=true"), range(6)))
    assert set(answers) <= {200, 503}
    assert answers[200] >= 1
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * 1024 * 1024
