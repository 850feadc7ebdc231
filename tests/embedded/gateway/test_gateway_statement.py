"""Finding the end of an INSERT, the FORMAT of a query, and what only looks like one."""

import pytest

from embedded.gateway.errors import EngineError
from embedded.gateway.statement import parse_insert, parse_statement


@pytest.mark.parametrize(
    ("sql", "target", "settings", "name", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\nx", b"INSERT INTO t ", b"", "TSV", b"x"),
        (b"insert into t format TSV \t\r\n\nx", b"insert into t ", b"", "TSV", b"\nx"),
        (b"INSERT INTO t FORMAT JSONEachRow{}", b"INSERT INTO t ", b"", "JSONEachRow", b"{}"),
        (b"INSERT INTO t (a, b) VALUES (1)", b"INSERT INTO t (a, b) ", b"", "Values", b"(1)"),
        (b"INSERT INTO t VALUES(1)", b"INSERT INTO t ", b"", "Values", b"(1)"),
        (b"INSERT t SETTINGS a = 1 FORMAT X\n", b"INSERT t ", b"SETTINGS a = 1 ", "X", b""),
        (b"INSERT INTO `format values` FORMAT X", b"INSERT INTO `format values` ", b"", "X", b""),
        (b'INSERT INTO "a\\" FORMAT Y" FORMAT X', b'INSERT INTO "a\\" FORMAT Y" ', b"", "X", b""),
        (
            b"INSERT INTO t (format, values) FORMAT X",
            b"INSERT INTO t (format, values) ",
            b"",
            "X",
            b"",
        ),
        (b"-- FORMAT Y\nINSERT INTO t FORMAT X", b"-- FORMAT Y\nINSERT INTO t ", b"", "X", b""),
        (
            b"INSERT INTO FUNCTION file('FORMAT') FORMAT X",
            b"INSERT INTO FUNCTION file('FORMAT') ",
            b"",
            "X",
            b"",
        ),
    ],
)
def test_an_insert_is_split_where_its_data_begins(
    sql: bytes, target: bytes, settings: bytes, name: str, data: bytes
) -> None:
    insert = parse_insert(sql)
    assert insert is not None
    assert (insert.target, insert.settings, insert.format) == (target, settings, name)
    assert sql[insert.data_start :] == data


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1 FORMAT TSV",
        b"INSERT INTO t SELECT 1 FORMAT TSV",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t (SELECT 1)",
        b"INSERT INTO t FROM INFILE 'x' FORMAT TSV",
        b"INSERT INTO t",
        b"",
    ],
)
def test_what_brings_no_data_is_no_insert_with_data(sql: bytes) -> None:
    assert parse_insert(sql) is None


@pytest.mark.parametrize(
    ("sql", "keyword", "output_format"),
    [
        (b"SELECT 1", "SELECT", None),
        (b"select 1 format CSV", "SELECT", "CSV"),
        (b"(SELECT 1) FORMAT CSV SETTINGS a = 1;", "SELECT", "CSV"),
        (b"/* x */ WITH 1 AS a SELECT a\n-- FORMAT CSV", "WITH", None),
        (b"SELECT 'FORMAT CSV'", "SELECT", None),
        (b"SELECT $tag$ ' FORMAT CSV $tag$ FORMAT TSV", "SELECT", "TSV"),
        (b"SELECT ';' -- ; more\n;", "SELECT", None),
        (b"OPTIMIZE TABLE t", "OPTIMIZE", None),
    ],
)
def test_keyword_and_format_of_a_statement(
    sql: bytes, keyword: str, output_format: str | None
) -> None:
    statement = parse_statement(sql)
    assert (statement.keyword, statement.format) == (keyword, output_format)


@pytest.mark.parametrize("sql", [b"SELECT 1; SELECT 2", b"SELECT 1;; x", b"", b" ; ", b"-- x"])
def test_nothing_and_several_statements_are_refused(sql: bytes) -> None:
    with pytest.raises(EngineError, match="SYNTAX_ERROR"):
        parse_statement(sql)
