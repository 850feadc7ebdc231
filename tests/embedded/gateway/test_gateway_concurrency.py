"""Queries side by side: nobody waits for a stranger, and what nobody waits for is cancelled."""

import threading
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.embedded.gateway import Answer, Gateway, running
from tests.waiting import wait_until

# Reads for minutes, in small blocks, so that it ends soon after it is cancelled. On one core.
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


def in_thread(work: Callable[[], Answer]) -> Callable[[], Answer]:
    """Start it now; calling what is returned waits for the answer."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()

    def wait() -> Answer:
        thread.join(30)
        return answers[0]

    return wait


def is_running(gateway: Gateway, text: str) -> bool:
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{text}%'"
    return int(gateway.value(sql)) > 1  # itself is one


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_short_queries_and_inserts_pass_a_long_query(gateway: Gateway) -> None:
    gateway.post(b"CREATE TABLE beside (n UInt64) ENGINE = MergeTree ORDER BY n")
    long = f"{ENDLESS} SETTINGS max_execution_time = 3, timeout_overflow_mode = 'break'"
    started = time.perf_counter()
    answer = in_thread(lambda: gateway.post(long.encode()))
    wait_until(lambda: is_running(gateway, "timeout_overflow_mode"))
    short = sorted(timed(lambda: gateway.value("SELECT 1")) for _ in range(40))
    insert = timed(lambda: gateway.post(b"INSERT INTO beside VALUES (1), (2)"))
    assert is_running(gateway, "timeout_overflow_mode")
    assert gateway.value("SELECT sum(n) FROM beside") == "3"
    assert short[20] < 0.2
    assert insert < 1
    assert answer().status == 200
    assert time.perf_counter() - started > 2.5


def test_inserts_from_many_clients_at_once_are_all_there(gateway: Gateway) -> None:
    gateway.post(b"CREATE TABLE together (n UInt64) ENGINE = MergeTree ORDER BY n")

    def insert(worker: int) -> Answer:
        for batch in range(10):
            rows = b"".join(
                b"%d\n" % n
                for n in range((worker * 10 + batch) * 100, (worker * 10 + batch + 1) * 100)
            )
            answer = gateway.post(b"INSERT INTO together FORMAT TSV\n" + rows)
            assert answer.status == 200, answer.body
        return answer

    for wait in [in_thread(partial(insert, worker)) for worker in range(8)]:
        assert wait().status == 200
    assert gateway.value("SELECT count(), uniqExact(n), max(n) FROM together") == "8000\t8000\t7999"


def test_settings_of_one_query_are_not_seen_by_another_that_runs_beside_it(
    gateway: Gateway,
) -> None:
    def ask(threads: int) -> Answer:
        for _ in range(20):
            answer = gateway.post(b"SELECT getSetting('max_threads')", f"/?max_threads={threads}")
            assert answer.body == b"%d\n" % threads
        return answer

    for wait in [in_thread(partial(ask, n)) for n in range(1, 7)]:
        assert wait().status == 200


@pytest.mark.parametrize("sql_format", ["Native", "JSON"])
@pytest.mark.parametrize("wait", ["0", "1"])
def test_a_client_that_leaves_cancels_its_query(
    gateway: Gateway, sql_format: str, wait: str
) -> None:
    connection = HTTPConnection("127.0.0.1", gateway.port)
    connection.request("POST", f"/?wait_end_of_query={wait}", f"{ENDLESS} FORMAT {sql_format}")
    wait_until(lambda: is_running(gateway, "sipHash64(number) = 1 FORMAT"))
    connection.close()
    wait_until(lambda: not is_running(gateway, "sipHash64(number) = 1 FORMAT"), seconds=5)


def test_a_client_that_leaves_a_stream_half_read_cancels_it(gateway: Gateway) -> None:
    connection = HTTPConnection("127.0.0.1", gateway.port)
    connection.request("POST", "/", "SELECT number FROM numbers(100000000000) FORMAT RowBinary")
    response = connection.getresponse()
    assert len(response.read(1_000_000)) == 1_000_000
    response.close()
    connection.close()
    wait_until(lambda: not is_running(gateway, "numbers(100000000000)"), seconds=5)


def test_a_client_that_leaves_does_not_undo_what_it_wrote(gateway: Gateway) -> None:
    gateway.post(b"CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    sql = (
        "INSERT INTO kept SELECT number + sleepEachRow(0.1) FROM numbers(15)"
        " SETTINGS max_block_size = 1"
    )
    connection = HTTPConnection("127.0.0.1", gateway.port)
    connection.request("POST", "/", sql)
    wait_until(lambda: is_running(gateway, "sleepEachRow"))
    connection.close()
    wait_until(lambda: gateway.value("SELECT count() FROM kept") == "15")


def test_when_all_slots_are_taken_a_query_waits_and_then_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--max-queries", "2", "--queue-seconds", "0.5") as small:
        idle = "SELECT max(sleepEachRow(0.1)) FROM numbers(1000) SETTINGS max_block_size = 1"
        query = quote(f"{idle}, max_execution_time = 2")
        waiting = [in_thread(lambda: small.request("GET", f"/?query={query}")) for _ in range(2)]
        time.sleep(0.3)
        refused = small.post(b"SELECT 1")
        assert (refused.status, refused.code) == (503, 202)
        assert small.request("GET", "/ping").body == b"Ok.\n"
        assert [wait().code for wait in waiting] == [159, 159]
        assert small.post(b"SELECT 1").status == 200


def test_a_query_over_the_memory_limit_fails_alone(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--memory-mib", "700") as small:
        hungry = small.post(
            b"SELECT groupArray(repeat(toString(number), 50)) FROM numbers(30000000)"
        )
        assert hungry.code == 241
        assert b"memory limit" in hungry.body.lower()
        assert small.value("SELECT 1") == "1"
