"""A client that is refused by its headers hears why, however much it is sending.

And who it is, if it comes through a proxy.
"""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from embedded import ports
from tests import web_server
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")
LARGE = b" " * (15 << 20)


@pytest.fixture(scope="module")
def web(django_db_setup: None, clickhouse_schema: None) -> Iterator[Web]:
    with web_server.running(
        API_KEYS_REQUIRED="true", RATE_LIMIT_PER_MINUTE="2", TRUSTED_PROXIES="1"
    ) as running:
        yield running


def status(web: Web, path: str, body: bytes) -> int:
    connection = HTTPConnection(ports.HOST, web.port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_hears_that_its_key_is_missing_and_then_that_it_asks_too_often(
    web: Web,
) -> None:
    # A file's body is not waited for: whoever sends one asks before (curl does), as below.
    sent = [("/events", LARGE), ("/imports", b"small"), ("/events", LARGE), ("/imports", b"")]
    asked = [status(web, path, body) for path, body in sent]
    assert asked == [401, 401, 429, 429]


def test_a_client_is_not_asked_for_a_refused_body(web: Web) -> None:
    head = b"POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
    answer = web.answer(head + b"Expect: 100-continue\r\n\r\n", finished=False)
    assert answer == b"HTTP/1.1 401 Unauthorized"


def test_who_a_client_is_stands_in_the_last_header_that_a_proxy_can_have_set(web: Web) -> None:
    heard = [(name, web.answer(get(*headers), finished=False)[9:12]) for name, *headers in ASKED]
    assert heard == [
        ("two proxies", b"401"),
        ("the same last proxy", b"401"),
        ("the same last proxy", b"429"),
        ("another last proxy", b"401"),
        ("nobody", b"401"),
        ("a header that looks like it", b"401"),
        ("a header that looks like it", b"429"),
    ]


def get(*headers: str) -> bytes:
    return "\r\n".join(["GET /events HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


# A client may ask twice.
ASKED = [
    ("two proxies", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 9.9.9.9"),
    *[("the same last proxy", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-For: 9.9.9.9")] * 2,
    ("another last proxy", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 3.3.3.3"),
    ("nobody",),
    *[("a header that looks like it", "X_Forwarded_For: 4.4.4.4")] * 2,
]
