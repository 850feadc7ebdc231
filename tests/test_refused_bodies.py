"""A client that is refused by its headers hears why, however much it is sending."""

from http.client import HTTPConnection

import pytest

from embedded import ports
from tests import web_server

pytestmark = pytest.mark.usefixtures("stores")
LARGE = b" " * (15 << 20)


def status(web: web_server.Web, path: str, body: bytes) -> int:
    connection = HTTPConnection(ports.HOST, web.port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_hears_that_its_key_is_missing_and_then_that_it_asks_too_often() -> None:
    with web_server.running(API_KEYS_REQUIRED="true", RATE_LIMIT_PER_MINUTE="2") as web:
        # A file's body is not waited for: whoever sends one asks before (curl does), as below.
        sent = [("/events", LARGE), ("/imports", b"small"), ("/events", LARGE), ("/imports", b"")]
        asked = [status(web, path, body) for path, body in sent]
    assert asked == [401, 401, 429, 429]


def test_one_that_waits_to_be_asked_for_its_body_is_not_asked() -> None:
    head = b"POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
    with web_server.running(API_KEYS_REQUIRED="true") as web:
        answer = web.answer(head + b"Expect: 100-continue\r\n\r\n", finished=False)
    assert answer == b"HTTP/1.1 401 Unauthorized"
