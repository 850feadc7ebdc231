"""The reports over the real web server: asked by fifty at once, and in long requests."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import quote

import pytest

from embedded import ports
from tests import clickhouse as engine
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")

AT_ONCE = 50
# A read that waits so long is one that hangs: the slowest of fifty took 4 s on a busy machine.
LONGEST_SECONDS = 30
RANGE = "from=2024-01-01&to=2024-12-31"
DAY = "from=2025-01-01&to=2025-01-01"
NOBODY = [{"date": "2025-01-01", "unique_users": 0}]


def have_events(count: int) -> None:
    """One every ten minutes, from a Monday on."""
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2024-01-01 00:00:00', 3, 'UTC') + number * 600,"
        " toString(number % 10007), concat('type ', toString(number % 13)), '{\"plan\":\"pro\"}'"
        " FROM numbers({count:UInt64})",
        parameters={"count": count},
    )


def ask(web: Web, query: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(ports.HOST, web.port, timeout=LONGEST_SECONDS)
    try:
        connection.request("GET", f"/stats/{query}")
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


# From rollups, and from the events.
@pytest.mark.parametrize(
    ("report", "segment"),
    [
        (f"dau?{RANGE}", "properties.plan:pro"),
        (f"top-events?{RANGE}", ""),
        ("retention?start_date=2024-01-01&windows=12", "properties.plan:pro"),
    ],
)
def test_fifty_who_ask_at_once_get_the_same_answer(web: Web, report: str, segment: str) -> None:
    have_events(4_000)
    query = f"{report}&segment={segment}" if segment else report
    alone, expected = ask(web, query)
    assert alone.status == 200
    assert len(json.loads(expected)) > 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, [web] * AT_ONCE, [query] * AT_ONCE))
    for answer, body in answers:
        if answer.status == 503:
            assert answer.getheader("Retry-After")
        else:
            assert (answer.status, body) == (200, expected)
    # There may be no room for all, but for some there is.
    assert any(answer.status == 200 for answer, _ in answers)


@pytest.mark.parametrize("field", ["event_type", "user_id", "properties.plan"])
def test_a_value_of_ten_thousand_characters_is_looked_for(web: Web, field: str) -> None:
    answer, body = ask(web, f"dau?{DAY}&segment={field}:{'x' * 10_000}")
    assert (answer.status, json.loads(body)) == (200, NOBODY)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("я" * 5_000, 200),
        ("x" * 20_000, 400),
        ("я" * 10_000, 431),  # 60 kB on their way, and a head may have 32
        ("x" * 1_000_000, 431),
    ],
)
def test_a_value_too_long_is_refused(web: Web, value: str, status: int) -> None:
    answer, _ = ask(web, f"dau?{DAY}&segment=user_id:{quote(value)}")
    assert answer.status == status
