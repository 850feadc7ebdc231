"""What granian's event loop does for the threads that answer: bodies, heads, files."""

import asyncio
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import cast
from urllib.parse import quote

import pytest
from django.test import Client
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]

from config.memory import room
from config.server import body, pace, rsgi
from tests.config.server.asking import answer, counted
from tests.posting import post_taken
from tests.samples import event
from tests.web_server import HEAD, Web

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture(scope="module", autouse=True)
def endless(web: Web) -> Iterator[socket.socket]:
    """A client whose body has no end. It is answered after 10 s, meanwhile other tests run."""
    with web.connect() as client:
        client.sendall(CHUNKED.replace(b"0\r\n\r\n", b""))
        yield client


# --- Bodies -------------------------------------------------------------------------------------


def test_more_slow_bodies_than_there_are_threads_hold_up_nobody(web: Web) -> None:
    sent = json.dumps([event()]).encode()
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(sent)
    with ExitStack() as stack:
        slow = [stack.enter_context(web.connect()) for _ in range(400)]
        for client in slow:
            client.sendall(head + sent[:10])
        began = time.monotonic()
        assert {web.status(sent) for _ in range(10)} == {202}
        assert time.monotonic() - began < 5
        for client in slow:
            client.sendall(sent[10:])
        assert {client.recv(65536)[:12] for client in slow} == {b"HTTP/1.1 202"}


def test_large_bodies_that_never_come_hold_up_nobody(web: Web) -> None:
    """Seen: 300 of them, and /health and small requests had no answer for a minute."""
    sent, large = json.dumps([event()]).encode(), json.dumps([event()] * 2_000).encode()
    # So many of either kind fill the room for them: what is left would let none of the others in.
    length = b"Content-Length: %d\r\n\r\n" % (room.coming.size // 60)
    kinds = [HEAD + length, HEAD + b"Expect: 100-continue\r\n" + length]
    with ExitStack() as stack:
        for number in range(600):
            client = stack.enter_context(web.connect())
            client.sendall(kinds[number % 2])
        began = time.monotonic()
        assert {web.status() for _ in range(10)} == {200}
        assert {web.status(sent) for _ in range(10)} == {202}
        assert time.monotonic() - began < 5
        # They have the room for large bodies, and lose it as soon as others wait.
        assert {web.status(large) for _ in range(4)} == {202}
        assert time.monotonic() - began < pace.PATIENCE_SECONDS / 2


def test_a_slow_body_that_nobody_waits_for_is_taken(web: Web) -> None:
    sent = json.dumps([event() for _ in range(100)]).encode()
    assert len(sent) > room.SMALL_BYTES
    with web.connect() as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(sent) + sent[:100])
        time.sleep(3)  # longer than a slow one may take where others wait
        client.sendall(sent[100:])
        assert client.recv(65536)[:12] == b"HTTP/1.1 202"


def close_said(client: socket.socket) -> tuple[bytes, bool]:
    """The status of the answer, and whether it says that the connection ends."""
    head = client.recv(65536).partition(b"\r\n\r\n")[0].lower()
    return head[9:12], b"connection: close" in head


LARGE = HEAD + b"Content-Length: 400000\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
FILE = HEAD.replace(b"/events", b"/imports") + b"Content-Length: 400000\r\n"


@pytest.mark.parametrize(
    ("request_sent", "expected"),
    [
        (LARGE.replace(b"/json", b"/xml") + b"\r\n" + b" " * 400_000, (b"415", False)),
        (LARGE.replace(b"/events", b"/nothing") + b"\r\n" + b" " * 400_000, (b"404", False)),
        (LARGE.replace(b"/events", b"/events?x=1") + b"\r\n" + b" " * 400_000, (b"400", False)),
        (LARGE.replace(b"localhost", b"evil.example") + b"\r\n" + b" " * 400_000, (b"400", False)),
        (HEAD + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n", (b"413", True)),
        (
            FILE.replace(b"/imports", b"/imports?x=1") + b"Expect: 100-continue\r\n\r\n",
            (b"400", True),
        ),
        (CHUNKED, (b"411", False)),
    ],
    ids=["type", "path", "parameter", "host", "too large", "file", "chunked"],
)
def test_a_connection_with_an_unread_body_is_said_to_end_and_others_go_on(
    web: Web, request_sent: bytes, expected: tuple[bytes, bool]
) -> None:
    with web.connect() as client:
        client.sendall(request_sent)
        assert close_said(client) == expected


def test_a_connection_whose_body_has_no_end_is_said_to_end(endless: socket.socket) -> None:
    assert close_said(endless) == (b"411", True)


@pytest.mark.parametrize("length", [5, 1_000_000])
def test_a_body_that_does_not_come_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    for module in (body, pace):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    scope = cast(Scope, SimpleNamespace(path="/events", headers={"content-length": str(length)}))
    began = time.monotonic()
    taken = asyncio.run(body.take_in(scope, cast(HTTPProtocol, Silent())))
    assert (taken.stream.read(), taken.is_unread) == (b"", True)
    assert taken.refusal
    assert taken.refusal.status == 408
    assert time.monotonic() - began < 5


def test_what_fails_in_the_short_way_is_left_to_django(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def ask() -> object:
        whole = body.Body(io.BytesIO(b"[]"), room.work.nothing())
        return await rsgi._in_short(scope, {}, whole)

    monkeypatch.setattr(rsgi, "_lane", fail)
    scope = cast(Scope, SimpleNamespace(method="POST", headers={}))
    assert asyncio.run(ask()) is None


class Silent:
    """A client that never sends its body."""

    async def __call__(self) -> bytes:
        await asyncio.sleep(60)
        return b"too late"

    def __aiter__(self) -> "Silent":
        return self

    async def __anext__(self) -> bytes:
        return await self()


def test_a_body_that_is_cut_short_is_refused_and_counted(web: Web) -> None:
    before = counted(web, "400")
    head = HEAD + b"Content-Length: 100\r\n\r\n"
    assert web.answer(head + b"[") == b"HTTP/1.1 400 Bad Request"
    assert web.answer(head.replace(b"100", b"1000000") + b"[") == b"HTTP/1.1 400 Bad Request"
    assert counted(web, "400") == before + 2


def test_a_chunked_body_is_asked_to_say_its_length(web: Web) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    assert web.answer(HEAD + chunks, finished=False) == b"HTTP/1.1 411 Length Required"


# --- Heads and files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Encoding", 415),
        ("Authorization", 401),
        ("Authorization: Bearer ea_", 401),
        ("X-API-Key", 401),
        ("Idempotency-Key", 400),
    ],
)
def test_a_header_that_is_not_ascii_does_not_pass_for_none(
    web: Web, header: str, status: int
) -> None:
    path = b"/imports" if header == "Idempotency-Key" else b"/events"
    sent = json.dumps([event()]).encode()
    line = header if ":" in header else f"{header}: "
    head = HEAD.replace(b"/events", path) + f"{line}é\r\n".encode()
    said = web.answer(head + b"Content-Length: %d\r\n\r\n" % len(sent) + sent, finished=False)
    assert int(said[9:12]) == status


@pytest.mark.parametrize("path", ["/health", "/stats/dau?from=2026-01-01&to=2026-01-02", "/login"])
def test_a_cookie_that_is_not_ascii_is_left_out(web: Web, path: str) -> None:
    """Another program of the same domain may have set it, as `document.cookie = "name=Олена"`."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: name=Олена; sessionid=x\r\n\r\n"
    assert web.answer(head.encode(), finished=False)[9:12] == b"200"


def test_events_are_taken_whatever_cookies_come_with_them(web: Web) -> None:
    sent = json.dumps([event()]).encode()
    head = HEAD + f"Cookie: name=Олена\r\nContent-Length: {len(sent)}\r\n\r\n".encode()
    assert web.answer(head + sent, finished=False)[9:12] == b"202"


def test_letters_that_the_client_should_have_encoded_are_read_as_if_it_had(web: Web) -> None:
    post_taken(Client(), [event(user_id="користувач"), event()], "?wait=true")
    asked = "GET /events?user_id={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for user in ("користувач", quote("користувач")):
        with web.connect() as client:
            client.sendall(asked.format(user).encode())
            said = b"".join(iter(partial(client.recv, 65536), b""))
        assert said[9:12] == b"200"
        found = json.loads(said.partition(b"\r\n\r\n")[2])["events"]
        assert [one["user_id"] for one in found] == ["користувач"]


@pytest.mark.parametrize("path", ["/?a=ко", "/dashboard?a=ко"])
def test_such_letters_are_led_on_as_they_are(web: Web, path: str) -> None:
    with web.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        said = client.recv(65536)
    assert f"/dashboard/?a={quote('ко')}\r\n".encode() in said


def test_who_asks_for_a_websocket_gets_the_usual_answer(web: Web) -> None:
    wanted = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    found = answer(
        web, "GET", "/events", **wanted, **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    )
    assert found.status == 200
    assert found.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/%FF", "/%E2%82%AC", "/%00", "//", "/%2e%2e/events"])
def test_odd_paths_are_not_found(web: Web, path: str) -> None:
    found = answer(web, "GET", path)
    assert found.status == 404
    assert found.headers["Content-Type"] == "application/problem+json"


def test_a_file_is_sent_whole_or_in_part(web: Web) -> None:
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css"
    whole, part = answer(web, "GET", path), answer(web, "GET", path, Range="bytes=10-19")
    assert (whole.status, part.status) == (200, 206)
    assert len(whole.body) == int(whole.headers["Content-Length"]) > 1000
    assert part.body == whole.body[10:20]
    assert answer(web, "HEAD", path).body == b""
