"""Queries: errors that say whose fault, values that are bound, clients after a fork."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from analytics import clickhouse
from tests import clickhouse as engine

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.usefixtures("clickhouse")
def test_a_query_over_its_time_limit_is_unavailable_and_not_refused() -> None:
    with pytest.raises(clickhouse.ClickHouseUnavailable) as stopped:
        engine.query(
            "SELECT count() FROM numbers(1e12) WHERE NOT ignore(cityHash64(number))",
            options={"max_execution_time": 0.2},
        )
    assert stopped.value.code == 159


def test_a_server_that_is_not_there_is_unavailable(settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        clickhouse.ping()


@pytest.mark.usefixtures("clickhouse")
@pytest.mark.parametrize(
    "text", ["a'b", "a\\b", "tab\there", "line\nbreak", "`", "{x:String}", "ї", "long" * 30_000]
)
def test_a_bound_text_arrives_as_it_is(text: str) -> None:
    assert engine.query("SELECT {x:String}", parameters={"x": text}) == [[text]]


@pytest.mark.usefixtures("clickhouse")
@pytest.mark.parametrize("answer", [b"", BUSY], ids=["closed", "busy"])
def test_a_query_that_was_not_answered_is_sent_again(settings: Any, answer: bytes) -> None:
    with in_front_of(settings.CLICKHOUSE_URL, answer) as (url, asked):
        settings.CLICKHOUSE_URL = url
        assert engine.query("SELECT 'again'") == [["again"]]
    assert len(asked) == 2


@contextmanager
def in_front_of(url: str, answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A relay in front of a server, and the queries with `again` that it gets.

    The first of these gets this answer from it. Then it closes the connection.
    """
    asked: list[bytes] = []
    user, _, place = url.rpartition("@")
    host, _, database = place.partition("/")

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if b"again" in body:
                asked.append(body)
                if len(asked) == 1:
                    self.wfile.write(answer)
                    return
            address, headers = f"http://{host}{self.path}", dict(self.headers)
            passed = urllib3.request("POST", address, body=body, headers=headers)
            self.send_response(passed.status)
            self.end_headers()
            self.wfile.write(passed.data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"{user}@127.0.0.1:{server.server_port}/{database}", asked
        server.shutdown()


@pytest.mark.usefixtures("clickhouse")
def test_threads_ask_side_by_side() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda n: engine.query("SELECT {n:UInt32}, sleep(0.05)", parameters={"n": n}),
            range(32),
        )
    assert [rows[0][0] for rows in answers] == list(range(32))


@pytest.mark.usefixtures("clickhouse")
def test_a_forked_child_asks_through_connections_of_its_own() -> None:
    engine.query("SELECT 1")
    child = os.fork()
    if child == 0:
        ours = engine.query("SELECT 'child'") == [["child"]]
        os._exit(0 if ours else 1)
    assert engine.query("SELECT 'parent'") == [["parent"]]
    assert os.waitpid(child, 0)[1] == 0
