"""Queries: errors that say whose fault, values that are bound, clients after a fork."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from analytics import clickhouse
from tests import clickhouse as engine


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
    "text", ["a'b", "a\\b", "tab\there", "line\nbreak", "`", "{x:String}", "ї"]
)
def test_a_bound_text_arrives_as_it_is(text: str) -> None:
    assert engine.query("SELECT {x:String}", parameters={"x": text}) == [[text]]


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
