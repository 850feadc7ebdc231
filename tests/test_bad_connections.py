"""Broken and hostile connections to the real web server: the others are served all the same."""

import gzip
import json
import random
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from select import select

import pytest
import zstandard
from django.conf import settings

from config.memory.room import MAX_BODY_BYTES
from config.server.body import FILES_AT_ONCE
from tests.samples import event
from tests.waiting import wait_until
from tests.web_server import HEAD, Web

pytestmark = pytest.mark.usefixtures("stores")

# Far above what it takes on a busy machine; a server that is held up answers never.
PROMPT_SECONDS = 5
MIB = 2**20


UNFINISHED = {"none": b"", "some": b"POST /events HT", "most": HEAD}


@pytest.fixture(scope="module", autouse=True)
def unfinished(web: Web) -> Iterator[dict[str, list[socket.socket]]]:
    """Connections that stop amid a head. They are closed after half a minute of other tests."""
    with ExitStack() as stack:
        opened = {name: connected(stack, web, 50) for name in UNFINISHED}
        for name, clients in opened.items():
            for client in clients:
                client.sendall(UNFINISHED[name])
        yield opened


def assert_others_are_served(web: Web) -> None:
    began = time.monotonic()
    for _ in range(3):  # enough to meet both processes
        assert web.status() == 200
        assert web.status(json.dumps([event()]).encode()) == 202
    assert time.monotonic() - began < PROMPT_SECONDS


def connected(stack: ExitStack, web: Web, count: int) -> list[socket.socket]:
    return [stack.enter_context(web.connect()) for _ in range(count)]


@cache
def blanks(pack: Callable[[bytes], bytes]) -> bytes:
    """What was 200 MB before it was packed: ten times what a body may grow to."""
    return pack(b"[" + b" " * 200_000_000)


def small(pack: Callable[[bytes], bytes], count: int) -> bytes:
    """Members or frames of 30 kB each."""
    return pack(b" " * 30_000) * count


# At a low level: 200 MB take 1 s of CPU at the usual one.
gz: Callable[[bytes], bytes] = partial(gzip.compress, compresslevel=1)
deflate: Callable[[bytes], bytes] = partial(zlib.compress, level=1)
zstd: Callable[[bytes], bytes] = zstandard.ZstdCompressor(level=19).compress
# Encoding, how the body is made, and the answer.
BOMBS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "gzip": ("gzip", lambda: blanks(gz), 413),
    "deflate": ("deflate", lambda: blanks(deflate), 413),
    "zstd": ("zstd", lambda: blanks(zstd), 413),
    "members of gzip": ("gzip", lambda: small(gzip.compress, 100_000), 413),
    "frames of zstd": ("zstd", lambda: small(zstd, 100_000), 413),
    "empty members of gzip": ("gzip", lambda: gzip.compress(b"") * 1_000_000, 400),
    "empty frames of zstd": ("zstd", lambda: zstd(b"") * 1_000_000, 400),
    "gzip in gzip": ("gzip", lambda: gzip.compress(blanks(gz)), 400),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_has_grown(web: Web, name: str) -> None:
    encoding, make, status = BOMBS[name]
    bomb = make()
    before, began = web.memory, time.monotonic()
    for _ in range(2):
        assert web.status(bomb, encoding) == status
    assert time.monotonic() - began < 2 * PROMPT_SECONDS
    assert web.memory - before < 100 * MIB
    assert_others_are_served(web)


def test_many_bombs_at_once_take_no_more_than_what_they_may_grow_to(web: Web) -> None:
    bomb = blanks(gz)
    with ThreadPoolExecutor(32) as clients:
        statuses = Counter(clients.map(lambda _: web.status(bomb, "gzip"), range(64)))
        assert_others_are_served(web)
    # Those that there was no room for are told to come again.
    assert set(statuses) <= {413, 503}
    assert statuses[413] >= 1
    assert web.peak_memory < settings.WEB_MEMORY_MEGABYTES * MIB


def test_a_client_that_sends_too_much_is_told_so(web: Web) -> None:
    """An answer before the end of the body is lost where a client sends first and reads then."""
    assert web.status(b" " * (2 * MAX_BODY_BYTES)) == 413


def test_bodies_that_come_a_byte_at_a_time_hold_up_nobody(web: Web) -> None:
    body = json.dumps([event()]).encode()
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    with ExitStack() as stack:
        slow = connected(stack, web, 100)
        for client in slow:
            client.sendall(head)
        for position in range(5):
            for client in slow:
                client.sendall(body[position : position + 1])
            time.sleep(0.2)
            assert_others_are_served(web)
        for client in slow:
            client.sendall(body[5:])
        assert Counter(client.recv(65536)[:12] for client in slow) == {b"HTTP/1.1 202": 100}


def test_files_that_come_a_byte_at_a_time_hold_up_nobody(web: Web) -> None:
    head = b"POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nevent_id,"
    with ExitStack() as stack:
        slow = connected(stack, web, 300)  # more than there are threads
        for client in slow:
            client.sendall(head)
        assert_others_are_served(web)
        assert web.status(json.dumps([event()]).encode(), query="?wait=true") == 200
        wait_until(lambda: len(select(slow, [], [], 0)[0]) >= 300 - 2 * FILES_AT_ONCE)
        answered = select(slow, [], [], 0)[0]
        said = {client.recv(65536).partition(b"\r\n")[0] for client in answered}
    assert said == {b"HTTP/1.1 503 Service Unavailable"}


@pytest.mark.parametrize("length", [1_000, 1_000_000])
def test_clients_that_leave_amid_their_bodies_leave_no_thread_behind(web: Web, length: int) -> None:
    processes = web.process.children()
    for _ in range(5):  # more than there are threads
        with ExitStack() as stack:
            for client in connected(stack, web, 100):
                client.sendall(HEAD + b"Content-Length: %d\r\n\r\n[" % length)
    assert_others_are_served(web)
    assert web.process.children() == processes


def test_a_thousand_silent_connections_hold_up_nobody(web: Web) -> None:
    with ExitStack() as stack:
        connected(stack, web, 1000)
        assert_others_are_served(web)
    assert_others_are_served(web)


@pytest.mark.parametrize("said", UNFINISHED)
def test_a_connection_that_does_not_finish_a_head_is_closed_after_half_a_minute(
    web: Web, unfinished: dict[str, list[socket.socket]], said: str
) -> None:
    silent = unfinished[said]
    wait_until(lambda: len(select(silent, [], [], 0)[0]) == len(silent), seconds=45)
    assert {client.recv(65536) for client in silent} == {b""}
    assert_others_are_served(web)


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
IMPROPER = {
    "a header of 100 KB": GET + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "a header of 10 MB": GET + b"X: " + b"a" * 10_000_000 + b"\r\n\r\n",
    "1,000 headers": GET + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n",
    "a request line of 100 KB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no HTTP": b"\0\xff\x13garbage\r\n\r\n",
    "noise": random.Random(1).randbytes(100_000),
    "TLS": b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03" + bytes(154),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "another's name": b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "no name": b"GET /health HTTP/1.1\r\n\r\n",
    "NUL in the path": b"GET /ev\0ents HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n[]",
    "a length in words": HEAD + b"Content-Length: two\r\n\r\n[]",
    "a length past 64 bits": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n[]",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
    "a length too short": HEAD + b"Content-Length: 1\r\n\r\n[]",
    "a length too long": HEAD + b"Content-Length: 100\r\n\r\n[]",
    "no length": HEAD + b"\r\n",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "broken chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
    "chunks and a length": HEAD
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "an unknown transfer encoding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n[]",
}


@pytest.mark.parametrize("name", IMPROPER)
def test_a_malformed_request_is_refused_and_harms_nobody(web: Web, name: str) -> None:
    said = web.answer(IMPROPER[name])
    assert said == b"" or said.startswith(b"HTTP/1.1 4"), said
    assert_others_are_served(web)


@pytest.mark.parametrize("name", sorted(set(IMPROPER) - {"a length too long", "no HTTP"}))
def test_it_does_not_hang_while_the_client_keeps_its_half_open(web: Web, name: str) -> None:
    said = web.answer(IMPROPER[name], finished=False)
    assert said == b"" or said.startswith(b"HTTP/1.1 4"), said


def test_what_follows_a_body_on_its_connection_is_another_request(web: Web) -> None:
    """A length too short must not let its rest be taken for part of anything."""
    body = json.dumps([event()]).encode()
    with web.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"rest\r\n\r\n")
        said = b"".join(iter(lambda: client.recv(65536), b""))
    answers = [line[9:12] for line in said.split(b"\r\n") if line.startswith(b"HTTP/")]
    assert answers[0] == b"202"
    assert answers[1:] in ([], [b"400"])
