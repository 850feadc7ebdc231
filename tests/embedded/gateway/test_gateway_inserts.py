"""Inserts through clickhouse-connect and bare HTTP: what is confirmed is in the table, once."""

import datetime as dt
import gzip
import io
import json
import uuid
import zlib
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any

import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.embedded.gateway import Gateway

UTC = dt.UTC
LINES = b"".join(b'{"n": %d, "s": "row %d"}\n' % (n, n) for n in range(1000))


@pytest.fixture
def table(gateway: Gateway) -> Iterator[str]:
    """An empty table `n UInt64, s String` that remembers insert tokens."""
    create = (
        "CREATE TABLE numbers_table (n UInt64, s String) ENGINE = MergeTree ORDER BY n"
        " SETTINGS non_replicated_deduplication_window = 1000"
    )
    assert gateway.post(create.encode()).status == 200
    yield "numbers_table"
    gateway.post(b"DROP TABLE numbers_table SYNC")


def count(gateway: Gateway, table: str = "numbers_table") -> int:
    return int(gateway.value(f"SELECT count() FROM {table}"))


COLUMNS: list[tuple[str, list[Any]]] = [
    ("UUID", [uuid.UUID(int=1), uuid.uuid4()]),
    (
        "DateTime64(3, 'UTC')",
        [
            dt.datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
            dt.datetime(1970, 1, 1, tzinfo=UTC),
        ],
    ),
    (
        "DateTime('UTC')",
        [dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), dt.datetime(1970, 1, 1, tzinfo=UTC)],
    ),
    ("Date", [dt.date(2026, 1, 2), dt.date(1970, 1, 1)]),
    ("LowCardinality(String)", ["page_view", "purchase"]),
    ("Array(Nullable(Int32))", [[1, None, -3], []]),
    ("Array(LowCardinality(String))", [["a", "b"], []]),
    ("Nullable(String)", [None, "text"]),
    ("String", ["tab\tnewline\nquote'", "ünïcødé 🎈"]),
    ("Map(String, UInt64)", [{"a": 1}, {}]),
    ("Tuple(UInt8, String)", [(1, "x"), (2, "y")]),
    ("Decimal(18, 4)", [Decimal("1.2300"), Decimal("-5.0000")]),
    ("Float64", [0.1, -1e300]),
    ("Int128", [-(2**100), 2**100]),
    ("Bool", [True, False]),
    ("IPv4", [IPv4Address("127.0.0.1"), IPv4Address("10.0.0.1")]),
    ("Enum8('a' = 1, 'b' = 2)", ["a", "b"]),
    ("FixedString(4)", [b"abcd", b"efgh"]),
]


@pytest.mark.parametrize("compress", [True, False])
def test_native_inserts_keep_values_of_many_types(
    client: Client, gateway: Gateway, compress: bool
) -> None:
    connected = gateway.client(compress=compress)
    definition = ", ".join(f"c{i} {kind}" for i, (kind, _) in enumerate(COLUMNS))
    client.command(f"CREATE TABLE typed (row UInt8, {definition}) ENGINE = MergeTree ORDER BY row")
    try:
        rows = [[row, *(values[row] for _, values in COLUMNS)] for row in (0, 1)]
        connected.insert("typed", rows)
        read = connected.query("SELECT * FROM typed ORDER BY row").result_rows
        assert read == [tuple(row) for row in rows]
    finally:
        client.command("DROP TABLE typed")
        connected.close()


def test_a_json_column_takes_objects_as_text(client: Client) -> None:
    client.command("CREATE TABLE documents (n UInt8, j JSON) ENGINE = MergeTree ORDER BY n")
    try:
        client.insert("documents", [[1, '{"a": {"b": "UA"}}'], [2, '{"a": {"b": 42}}']])
        read = client.query("SELECT toString(j.a.b) FROM documents ORDER BY n").result_rows
        assert read == [("UA",), ("42",)]
    finally:
        client.command("DROP TABLE documents")


def test_a_native_insert_of_many_blocks_is_complete(
    client: Client, gateway: Gateway, table: str
) -> None:
    rows = [[n, f"row {n}"] for n in range(200_000)]
    summary = client.insert(table, rows, column_names=["n", "s"])
    assert summary.written_rows == 200_000
    assert gateway.value(f"SELECT count(), sum(n), uniqExact(s) FROM {table}") == (
        "200000\t19999900000\t200000"
    )


@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        (None, bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4.frame.compress),
    ],
)
def test_raw_inserts_of_json_lines_under_every_compression(
    client: Client, gateway: Gateway, table: str, compression: str | None, pack: Any
) -> None:
    summary = client.raw_insert(
        table, ["n", "s"], pack(LINES), fmt="JSONEachRow", compression=compression
    )
    assert summary.written_rows == 1000
    assert gateway.value(f"SELECT count(), uniqExact(s) FROM {table}") == "1000\t1000"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("zstd", zstandard.compress), ("lz4", lz4.frame.compress)],
)
def test_frames_sent_one_after_another_are_one_body(
    gateway: Gateway, table: str, encoding: str, pack: Any
) -> None:
    half = len(LINES) // 2
    body = pack(LINES[:half]) + pack(LINES[half:])
    query = f"/?query=INSERT%20INTO%20{table}%20FORMAT%20JSONEachRow"
    assert gateway.post(body, query, content_encoding=encoding).status == 200
    assert count(gateway) == 1000


def test_a_generator_is_sent_in_chunks(client: Client, gateway: Gateway, table: str) -> None:
    chunks = (LINES for _ in range(200))
    client.raw_insert(table, ["n", "s"], chunks, fmt="JSONEachRow")
    assert count(gateway) == 200_000


@pytest.mark.parametrize(
    "insert",
    [
        b"INSERT INTO numbers_table FORMAT TSV\n1\ta\n2\tb\n",
        b"INSERT INTO numbers_table (n, s) FORMAT TSV\r\n1\ta\n2\tb\n",
        b"INSERT INTO numbers_table (s, n) FORMAT CSV a,1\nb,2\n",
        b"INSERT INTO numbers_table SETTINGS max_threads = 1, log_comment = 'FORMAT'"
        b" FORMAT TSV\n1\ta\n2\tb",
        b"/* FORMAT CSV */ INSERT INTO `numbers_table` -- VALUES (9, 'x')\n"
        b"FORMAT TSV\n1\ta\n2\tb\n",
        b"INSERT INTO numbers_table VALUES (1, 'a'), (1 + 1, concat('b', ''))",
        b"INSERT INTO numbers_table (n, s) VALUES (1, 'a'), (2, 'it''s; FORMAT TSV');",
        b"INSERT INTO numbers_table SELECT number + 1, toString(number) FROM numbers(2)",
        b"INSERT INTO numbers_table (n, s) WITH 1 AS one SELECT number + one, 's' FROM numbers(2);",
        b"INSERT INTO FUNCTION null('n UInt64') SELECT 1 FORMAT Null",
    ],
)
def test_every_spelling_of_an_insert(gateway: Gateway, table: str, insert: bytes) -> None:
    answer = gateway.post(insert)
    assert (answer.status, answer.body) == (200, b"")
    expected = "0\t0" if b"FUNCTION" in insert else "2\t3"
    assert gateway.value(f"SELECT count(), sum(n) FROM {table}") == expected


def test_query_parameters_work_in_inserts(client: Client, gateway: Gateway, table: str) -> None:
    client.command(
        "INSERT INTO {t:Identifier} VALUES ({n:UInt64}, {s:String})",
        parameters={"t": table, "n": 7, "s": "it's\na"},
    )
    assert client.query(f"SELECT * FROM {table}").result_rows == [(7, "it's\na")]


def test_an_empty_insert_is_no_error(gateway: Gateway, table: str) -> None:
    assert gateway.post(b"INSERT INTO numbers_table FORMAT JSONEachRow\n").status == 200
    assert count(gateway) == 0


def test_the_summary_counts_written_rows(gateway: Gateway, table: str) -> None:
    answer = gateway.post(b"INSERT INTO numbers_table FORMAT JSONEachRow\n" + LINES)
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1000"
    assert "X-ClickHouse-Format" not in answer.headers


def test_a_bad_row_refuses_the_whole_insert(client: Client, gateway: Gateway, table: str) -> None:
    with pytest.raises(DatabaseError, match="CANNOT_PARSE") as caught:
        client.raw_insert(table, insert_block=LINES + b'{"n": "x"}\n', fmt="JSONEachRow")
    assert caught.value.code == 27
    assert count(gateway) == 0


@pytest.mark.parametrize(
    ("insert", "status", "code"),
    [
        (b"INSERT INTO no_such_table FORMAT TSV\n1\ta\n", 404, 60),
        (b"INSERT INTO numbers_table (nope) FORMAT TSV\n1\n", 500, 16),
        (b"INSERT INTO numbers_table FORMAT NoSuchFormat\n1\ta\n", 404, 73),
        (b"INSERT INTO numbers_table FORMAT TSV\n1\n", 400, 27),
        (b"INSERT INTO numbers_table FORMAT Native\nINTERNAL EXCEPTION", 500, 33),
    ],
)
def test_a_refused_insert_says_why(
    gateway: Gateway, table: str, insert: bytes, status: int, code: int
) -> None:
    answer = gateway.post(insert)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert count(gateway) == 0


def test_a_view_that_fails_is_not_a_success(gateway: Gateway, table: str) -> None:
    gateway.post(b"CREATE TABLE source (n UInt64) ENGINE = Null")
    gateway.post(
        b"CREATE MATERIALIZED VIEW failing TO numbers_table AS"
        b" SELECT intDiv(n, n - 5) AS n, '' AS s FROM source"
    )
    try:
        answer = gateway.post(b"INSERT INTO source FORMAT TSV\n1\n5\n")
        assert (answer.status, answer.code) == (500, 153)
    finally:
        gateway.post(b"DROP VIEW failing")
        gateway.post(b"DROP TABLE source")


def test_an_insert_out_of_time_is_an_error_and_keeps_nothing(gateway: Gateway, table: str) -> None:
    rows = b"".join(b"%d\tx\n" % n for n in range(1_000_000))
    answer = gateway.post(
        b"INSERT INTO numbers_table FORMAT TSV\n" + rows, "/?max_execution_time=0.02"
    )
    assert (answer.status, answer.code) == (408, 159)
    assert count(gateway) == 0


def test_a_repeated_token_inserts_once_and_another_token_again(
    gateway: Gateway, table: str
) -> None:
    gateway.post(
        b"CREATE TABLE rollup (k UInt8, rows UInt64) ENGINE = SummingMergeTree ORDER BY k"
        b" SETTINGS non_replicated_deduplication_window = 1000"
    )
    gateway.post(
        b"CREATE MATERIALIZED VIEW rollup_view TO rollup AS"
        b" SELECT n % 2 AS k, count() AS rows FROM numbers_table GROUP BY k"
    )
    try:
        target = (
            "/?deduplicate_blocks_in_dependent_materialized_views=1&insert_deduplication_token="
        )
        for token in ("a", "a", "b", "a", "b"):
            body = b"INSERT INTO numbers_table FORMAT JSONEachRow\n" + LINES
            assert gateway.post(body, target + token).status == 200
        assert count(gateway) == 2000
        assert gateway.value("SELECT sum(rows) FROM rollup") == "2000"
    finally:
        gateway.post(b"DROP VIEW rollup_view")
        gateway.post(b"DROP TABLE rollup")


def test_a_client_that_sends_a_file_streams_it(
    client: Client, gateway: Gateway, table: str
) -> None:
    client.raw_insert(table, ["n", "s"], io.BytesIO(LINES * 100), fmt="JSONEachRow")
    assert count(gateway) == 100_000


def test_a_long_upload_is_not_held_in_memory(gateway: Gateway) -> None:
    gateway.post(b"CREATE TABLE nothing (n UInt64, s String) ENGINE = Null")
    before, seen = gateway.memory_mib(), []

    def upload() -> Iterator[bytes]:
        for _ in range(120):
            seen.append(gateway.memory_mib())
            yield LINES * 40

    query = "INSERT%20INTO%20nothing%20FORMAT%20JSONEachRow"
    answer = gateway.request("POST", f"/?query={query}", upload())
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "4800000"
    assert max(*seen, gateway.memory_mib()) - before < 150
    gateway.post(b"DROP TABLE nothing")


def test_nothing_is_left_in_the_data_folder_by_spooling(gateway: Gateway, table: str) -> None:
    before = {path.name for path in gateway.folder.iterdir()}
    gateway.post(b"INSERT INTO numbers_table FORMAT JSONEachRow\n" + LINES)
    gateway.post(b"INSERT INTO numbers_table FORMAT JSONEachRow\nbroken")
    assert {path.name for path in gateway.folder.iterdir()} == before
