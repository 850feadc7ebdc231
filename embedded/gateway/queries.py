"""Runs the statement of one request on the engine and returns its result."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from embedded.gateway.engine import Engine
from embedded.gateway.errors import from_engine, refusal
from embedded.gateway.statement import (
    MAX_QUERY_BYTES,
    Insert,
    Statement,
    parse_insert,
    parse_statement,
)

# chDB encodes each block of a streamed result as a separate document. So only formats without head,
# foot or separators can be streamed; the others are made in one piece, in memory.
_STREAMED_FORMATS = frozenset(
    {"Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "RowBinary"}
    | {"JSONEachRow", "JSONLines", "NDJSON", "JSONCompactEachRow"}
)
_QUERY_KEYWORDS = frozenset({"SELECT", "WITH"})
_ROW_KEYWORDS = _QUERY_KEYWORDS | {"SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK"}
_TAKE_DATABASES_AWAY = frozenset({"DROP", "DETACH", "RENAME", "EXCHANGE"})
_HELD_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Query:
    """A request's statement, its own settings, and the values of the statement's `{x:Type}`.

    The statement is `text` followed by `body`. If the statement only reads, `Engine.kill` finds it
    by the comment `marker`. A statement that writes goes on, as on a server. With `whole`, the
    result is complete before its first chunk is returned.
    """

    text: str
    body: Iterable[bytes]
    settings: Mapping[str, str]
    values: Mapping[str, str]
    database: str
    default_format: str
    marker: str
    whole: bool


@dataclass
class Outcome:
    """A result: its chunks, its format (None for a statement without rows), its statistics."""

    chunks: Iterable[bytes] = ()
    format: str | None = None
    statistics: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """The value of X-ClickHouse-Summary: numbers as strings, as a server writes them."""
        return json.dumps({name: str(value) for name, value in self.statistics.items()})


@contextmanager
def run(engine: Engine, query: Query) -> Iterator[Outcome]:
    """Run a query; its chunks can be read until the context ends. Raises EngineError.

    An error before the first chunk is raised on entering, a later one while chunks are read.
    """
    body = iter(query.body)
    head = _read_head(query.text, body)
    insert = parse_insert(head)
    started = time.monotonic_ns()
    with ExitStack() as stack:
        if insert is None:
            statement = parse_statement(head + b"".join(body))
            session = engine.session(
                settings=query.settings,
                database=query.database,
                only_reads=statement.keyword in _QUERY_KEYWORDS,
                # The queries that it kills may hold all the slots.
                at_once=statement.keyword == "KILL",
            )
            connection = stack.enter_context(session)
            outcome = _run_statement(connection, statement, query, stack)
            if statement.keyword in _TAKE_DATABASES_AWAY:
                engine.forget_databases()
            if query.whole:
                outcome.chunks = _held(outcome.chunks, engine.path, stack)
        else:
            outcome = _run_insert(engine, insert, chain([head[insert.data_start :]], body), query)
        outcome.statistics["elapsed_ns"] = time.monotonic_ns() - started
        yield outcome


def _read_head(text: str, body: Iterator[bytes]) -> bytes:
    head = bytearray(f"{text}\n".encode() if text else b"")
    for chunk in body:
        head += chunk
        if len(head) >= MAX_QUERY_BYTES:
            break
    if not head.strip():
        raise refusal(62, "SYNTAX_ERROR", "Syntax error: the query is empty")
    return bytes(head)


def _run_insert(engine: Engine, insert: Insert, data: Iterable[bytes], query: Query) -> Outcome:
    """Insert from an unnamed file, after all the data has arrived in it.

    chDB 4.4 could take the data in pieces (`send_insert`), but then reports success for inserts
    that were cancelled, ran out of time or failed in a materialized view.
    """
    with tempfile.TemporaryFile(dir=engine.path) as spool:
        for chunk in data:
            spool.write(chunk)
        spool.seek(0)
        source = f" FROM INFILE '/dev/fd/{spool.fileno()}' ".encode()
        tail = f" FORMAT {insert.format}".encode()
        with engine.session(settings=query.settings, database=query.database) as connection:
            result = connection.query(
                insert.target + source + insert.settings + tail, "Null", params=query.values
            )
    return Outcome(statistics=_written(result))


def _written(result: Any) -> dict[str, int]:
    return {"written_rows": result.rows_written(), "written_bytes": result.bytes_written()}


def _read(result: Any) -> dict[str, int]:
    return {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "result_rows": result.rows_read(),
    }


def _run_statement(
    connection: Any, statement: Statement, query: Query, stack: ExitStack
) -> Outcome:
    chosen = statement.format or query.default_format
    sql = statement.sql
    if statement.keyword in _QUERY_KEYWORDS:
        sql += b"\n" + query.marker.encode()
    if statement.keyword in _QUERY_KEYWORDS and chosen in _STREAMED_FORMATS:
        stream = stack.enter_context(connection.send_query(sql, chosen, params=query.values))
        return _streamed(stream, chosen)
    result = connection.query(sql, chosen, params=query.values)
    has_rows = statement.keyword in _ROW_KEYWORDS or result.size() > 0
    return Outcome(
        [result.bytes()], chosen if has_rows else None, {**_read(result), **_written(result)}
    )


def _streamed(stream: Any, chosen: str) -> Outcome:
    outcome = Outcome(format=chosen)
    chunks = _stream_chunks(stream, outcome.statistics)
    outcome.chunks = chain([next(chunks, b"")], chunks)  # raises an early error at once
    return outcome


def _stream_chunks(stream: Any, statistics: dict[str, int]) -> Iterator[bytes]:
    try:
        for block in stream:
            for name, value in _read(block).items():
                statistics[name] = statistics.get(name, 0) + value
            yield block.bytes()
    except RuntimeError as error:
        raise from_engine(error) from error


def _held(chunks: Iterable[bytes], folder: Path, stack: ExitStack) -> Iterable[bytes]:
    """Read all chunks first: up to a megabyte in memory, more in an unnamed file."""
    spool = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES, dir=str(folder))  # noqa: SIM115
    stack.enter_context(spool)
    for chunk in chunks:
        spool.write(chunk)
    spool.seek(0)
    return iter(lambda: spool.read(_HELD_BYTES), b"")
