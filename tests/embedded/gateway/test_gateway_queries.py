"""Queries through clickhouse-connect, as the application makes them."""

import datetime as dt
import gzip
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.embedded.gateway import Answer, Gateway

UTC = dt.UTC


def test_the_client_connects_and_learns_version_zone_and_settings(client: Client) -> None:
    assert client.ping()
    assert str(client.server_version).startswith("26.")
    assert client.command("SELECT timezone()") == "UTC"
    assert client.server_settings["max_threads"].readonly == 0


def test_a_query_returns_typed_columns_and_rows(client: Client) -> None:
    result = client.query("SELECT number AS n, toString(number) AS s FROM numbers(3) ORDER BY n")
    assert result.column_names == ("n", "s")
    assert [kind.name for kind in result.column_types] == ["UInt64", "String"]
    assert result.result_rows == [(0, "0"), (1, "1"), (2, "2")]


def test_a_query_without_rows_returns_none(client: Client) -> None:
    assert client.query("SELECT number FROM numbers(3) WHERE number > 5").result_rows == []
    assert client.query("SELECT number FROM numbers(3) LIMIT 0").column_names == ("number",)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("UInt64", 2**64 - 1),
        ("Int64", -(2**63)),
        ("Float64", 0.1),
        ("Bool", True),
        ("String", 'it\'s `quoted` "twice" \\ and\ttabbed\nover lines, ünïcødé 🎈'),
        ("String", ""),
        ("String", "'); DROP TABLE x; --"),
        ("String", "x" * 50_000),
        ("Nullable(String)", None),
        ("Date", dt.date(2026, 2, 28)),
        ("DateTime('UTC')", dt.datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)),
        ("Array(String)", ["a", "it's", "back\\slash", "line\nbreak"]),
        ("Array(UInt8)", []),
        ("Array(Array(Int32))", [[1, -2], []]),
        ("UUID", uuid.UUID("6f1c1c5e-5d0c-4a3e-9a53-1f2e3d4c5b6a")),
        ("Decimal(18, 4)", Decimal("12.3400")),
    ],
)
def test_a_parameter_arrives_as_the_value_it_was(client: Client, kind: str, value: Any) -> None:
    result = client.query("SELECT {value:" + kind + "} AS value", parameters={"value": value})
    assert result.result_rows == [(value,)]


def test_parameters_name_tables_too(client: Client) -> None:
    sql = "SELECT * FROM {database:Identifier}.{table:Identifier}"
    rows = client.query(sql, parameters={"database": "system", "table": "one"}).result_rows
    assert rows == [(0,)]


def test_a_missing_parameter_is_an_error(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT {absent:String}")
    assert caught.value.code == 456


def test_a_setting_holds_for_its_query_alone(client: Client) -> None:
    asked = "SELECT getSetting('max_threads')"
    before = client.query(asked).result_rows
    assert client.query(asked, settings={"max_threads": 7}).result_rows == [(7,)]
    assert client.query(asked).result_rows == before


def test_a_log_comment_is_seen_by_the_engine_and_by_no_later_query(client: Client) -> None:
    comment = "dau; it's \\ request 17"
    asked = "SELECT getSetting('log_comment')"
    for one in (comment, "request 18"):
        assert client.query(asked, settings={"log_comment": one}).result_rows == [(one,)]
    assert client.query(asked).result_rows == [("",)]


def test_neither_set_nor_use_outlives_its_request(gateway: Gateway) -> None:
    assert gateway.post(b"SET max_threads = 9").status == 200
    assert gateway.post(b"USE system").status == 200
    assert gateway.value("SELECT getSetting('max_threads') = 9, currentDatabase()") == "0\tdefault"


def test_a_query_that_reads_leaves_nothing_to_the_next_one_of_its_settings(
    gateway: Gateway,
) -> None:
    """They are on one connection."""
    own = b"SELECT {x:UInt8} SETTINGS max_threads = 9"
    assert gateway.post(own, "/?param_x=5").body == b"5\n"
    assert gateway.value("SELECT getSetting('max_threads') = 9") == "0"
    assert gateway.post(b"SELECT {x:UInt8}").code == 456


def test_the_tables_of_a_database_that_is_gone_and_made_again_are_the_new_ones(
    gateway: Gateway,
) -> None:
    def asked() -> Answer:
        return gateway.post(b"SELECT count() FROM numbers_of", "/?database=passing")

    for rows in (2, 3):
        gateway.value("CREATE DATABASE passing")
        gateway.value(
            "CREATE TABLE passing.numbers_of ENGINE = MergeTree ORDER BY number"
            f" AS SELECT number FROM numbers({rows})"
        )
        assert gateway.post(b"SELECT 1", "/?database=passing").body == b"1\n"
        assert asked().body == f"{rows}\n".encode()
        gateway.value("DROP DATABASE passing SYNC")
        assert asked().code == 81
        assert gateway.post(b"SELECT 1", "/?database=passing").code == 81


def test_an_unknown_setting_is_refused_by_name(gateway: Gateway) -> None:
    answer = gateway.post(b"SELECT 1", "/?no_such_setting=1")
    assert (answer.status, answer.code) == (404, 115)
    assert b"no_such_setting" in answer.body
    answer = gateway.post(b"SELECT 1", "/?x%20%3D%201%2C%20max_threads=1")
    assert (answer.status, answer.code) == (404, 115)


def test_the_database_of_a_request_is_where_its_tables_are(gateway: Gateway) -> None:
    assert gateway.post(b"SELECT count() FROM one", "/?database=system").body == b"1\n"
    answer = gateway.post(b"SELECT 1", "/?database=nowhere")
    assert (answer.status, answer.code) == (404, 81)


def test_max_execution_time_ends_a_query(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(
            "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1",
            settings={"max_execution_time": 0.3},
        )
    assert caught.value.code == 159


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("-- nothing", 400, 62, "SYNTAX_ERROR"),
        ("SELECT * FROM no_such_table", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT no_such_column FROM system.one", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT no_such_function()", 404, 46, "UNKNOWN_FUNCTION"),
        ("SELECT 1 FORMAT NoSuchFormat", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT throwIf(1) FORMAT JSON", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
def test_an_error_has_the_status_code_and_text_of_clickhouse(
    gateway: Gateway, sql: str, status: int, code: int, name: str
) -> None:
    answer = gateway.post(sql.encode())
    assert (answer.status, answer.code) == (status, code)
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert name.encode() in answer.body
    assert answer.body.endswith(b"\n")


def test_the_client_sees_code_and_name_of_an_error(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as caught:
        client.query("SELECT * FROM no_such_table")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


@pytest.mark.parametrize("compress", [False, "gzip", "zstd", "lz4", "deflate", True])
def test_a_result_is_the_same_under_every_compression(gateway: Gateway, compress: Any) -> None:
    connected = gateway.client(compress=compress)
    rows = connected.query("SELECT number, toString(number) FROM numbers(200000)").result_rows
    connected.close()
    assert rows == [(n, str(n)) for n in range(200_000)]


def test_compression_is_used_only_when_asked_for_twice(gateway: Gateway) -> None:
    accept = {"accept_encoding": "gzip"}
    plain = gateway.post(b"SELECT 1", "/", **accept)
    assert ("Content-Encoding" in plain.headers, plain.body) == (False, b"1\n")
    packed = gateway.post(b"SELECT 1", "/?enable_http_compression=1", **accept)
    assert (packed.headers["Content-Encoding"], gzip.decompress(packed.body)) == ("gzip", b"1\n")
    none = gateway.post(
        b"SELECT 1", "/?enable_http_compression=1", accept_encoding="snappy, gzip;q=0"
    )
    assert none.body == b"1\n"


@pytest.mark.parametrize("sql_format", ["JSON", "JSONCompact", "CSVWithNames", "Parquet", "Pretty"])
def test_formats_with_a_head_come_in_one_document(client: Client, sql_format: str) -> None:
    answer = client.raw_query("SELECT number FROM numbers(150000)", fmt=sql_format)
    if sql_format.startswith("JSON"):
        assert len(json.loads(answer)["data"]) == 150_000
    if sql_format == "CSVWithNames":
        assert answer.count(b'"number"') == 1
    if sql_format == "Parquet":
        assert answer.count(b"PAR1") == 2


@pytest.mark.parametrize("sql_format", ["TSV", "CSV", "JSONEachRow", "JSONCompactEachRow"])
def test_formats_of_lines_have_every_line(client: Client, sql_format: str) -> None:
    answer = client.raw_query("SELECT number FROM numbers(150000) ORDER BY number", fmt=sql_format)
    lines = answer.splitlines()
    assert len(lines) == 150_000
    assert b"149999" in lines[-1]


def test_a_format_is_taken_from_the_query_the_parameter_or_the_header(gateway: Gateway) -> None:
    csv = gateway.post(b"SELECT 'a' FORMAT CSV SETTINGS max_threads = 1;")
    assert (csv.body, csv.headers["X-ClickHouse-Format"]) == (b'"a"\n', "CSV")
    parameter = gateway.post(b"SELECT 'a' AS x", "/?default_format=JSONEachRow")
    assert parameter.body == b'{"x":"a"}\n'
    header = gateway.post(b"SELECT 'a' AS x", **{"x_clickhouse_format": "CSV"})
    assert header.body == b'"a"\n'


def test_the_query_may_be_in_the_url_in_the_body_or_in_both(gateway: Gateway) -> None:
    assert gateway.request("GET", "/?query=SELECT%201").body == b"1\n"
    assert gateway.post(b"SELECT 1").body == b"1\n"
    assert gateway.post(b"FROM system.one", "/?query=SELECT%20count()").body == b"1\n"


def test_a_get_only_reads(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/?query=CREATE%20TABLE%20x(a%20Int8)ENGINE%3DMemory")
    assert answer.code == 164


def test_headers_tell_query_id_zone_format_and_summary(gateway: Gateway) -> None:
    answer = gateway.post(b"SELECT number FROM numbers(5)", "/?query_id=mine&wait_end_of_query=1")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert "X-ClickHouse-Server-Display-Name" in answer.headers
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("5", "5")


def test_a_long_parameter_travels_in_a_form(client: Client) -> None:
    values = [f"value {n}" for n in range(5_000)]
    query = "SELECT length({values:Array(String)}), {values:Array(String)}[-1]"
    assert client.query(query, parameters={"values": values}).result_rows == [(5000, "value 4999")]


def test_a_large_result_streams_in_blocks(client: Client) -> None:
    expected = 0
    with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        for block in stream:
            assert [row[0] for row in block] == list(range(expected, expected + len(block)))
            expected += len(block)
    assert expected == 1_000_000


def test_a_raw_stream_has_all_bytes(client: Client) -> None:
    with client.raw_stream("SELECT number FROM numbers(1000000)", fmt="TSV") as stream:
        data = stream.read()
    assert data.count(b"\n") == 1_000_000


def test_a_result_is_not_held_in_memory(gateway: Gateway) -> None:
    before, seen, size = gateway.memory_mib(), [0], 0
    connected = gateway.client(compress=False)
    sql = "SELECT repeat('x', 99) FROM numbers(4000000)"
    with connected.raw_stream(sql, fmt="RowBinary") as stream:
        while chunk := stream.read(1 << 22):
            size += len(chunk)
            seen.append(gateway.memory_mib())
    connected.close()
    assert size == 400_000_000
    assert max(seen) - before < 250


def test_an_error_in_mid_stream_reaches_the_client(client: Client) -> None:
    sql = "SELECT throwIf(number = 900000) FROM numbers(1000000) SETTINGS max_threads = 1"
    with client.query_row_block_stream(sql) as stream:
        assert next(stream)
        with pytest.raises(StreamFailureError, match="throwIf"):
            list(stream)


def test_a_whole_result_is_awaited_so_that_its_error_has_a_status(gateway: Gateway) -> None:
    sql = b"SELECT throwIf(number = 900000) FROM numbers(1000000) SETTINGS max_threads = 1"
    answer = gateway.post(sql, "/?wait_end_of_query=1")
    assert (answer.status, answer.code) == (500, 395)


def test_blocks_filtered_empty_do_not_end_a_stream(gateway: Gateway) -> None:
    sql = b"SELECT number FROM numbers(1000000) WHERE number % 500000 = 499999 FORMAT TSV"
    assert gateway.post(sql).body == b"499999\n999999\n"
