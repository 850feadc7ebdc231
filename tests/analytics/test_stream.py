"""Results of ClickHouse that are read while they come: whole, or not without an error."""

import time
from contextlib import closing

import pytest

from analytics import clickhouse
from tests import clickhouse as engine

pytestmark = pytest.mark.usefixtures("clickhouse")


def test_every_row_comes_in_columns_a_block_at_a_time() -> None:
    sql = "SELECT number AS n, toString(n) FROM numbers({count:UInt64})"
    blocks = list(engine.stream(sql, parameters={"count": 200_000}))
    assert len(blocks) > 1
    assert sorted(n for numbers, _ in blocks for n in numbers) == list(range(200_000))
    assert all(str(n) == text for block in blocks for n, text in zip(*block, strict=True))


def test_a_result_without_rows_ends() -> None:
    assert list(engine.stream("SELECT number FROM numbers(0)")) == []


def test_an_error_before_the_first_row_is_raised() -> None:
    with pytest.raises(clickhouse.ClickHouseError, match="no_such_table"):
        next(engine.stream("SELECT 1 FROM no_such_table"))


@pytest.mark.parametrize("bad", [4_000_000, 5_999_999])
def test_an_error_amid_the_rows_is_raised_after_those_before_it(bad: int) -> None:
    sql = (
        "SELECT number, throwIf(number = {bad:UInt64}, 'too late') FROM numbers(6000000)"
        " SETTINGS max_threads = 1, max_block_size = 65409"
    )
    seen = 0
    with pytest.raises(clickhouse.ClickHouseError, match="too late") as raised:  # noqa: PT012
        for numbers, _ in engine.stream(sql, parameters={"bad": bad}):
            seen += len(numbers)
    assert raised.value.code == 395
    assert 0 < seen <= bad


def test_a_stream_left_early_reads_nothing_more() -> None:
    """Of a result without an end."""
    with closing(engine.stream("SELECT number FROM system.numbers")) as blocks:
        assert next(blocks)
        left = time.monotonic()
    assert time.monotonic() - left < 5
    assert engine.query("SELECT 1") == [[1]]


def test_the_time_limit_of_queries_does_not_end_a_stream() -> None:
    sql = "SELECT sleepEachRow(0.1) FROM numbers(12) SETTINGS max_block_size = 1"
    options = {"max_execution_time": 1}
    with pytest.raises(clickhouse.ClickHouseError):
        list(engine.stream(sql, options=options))
    assert len(list(engine.stream(sql))) == 12
