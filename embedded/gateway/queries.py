"""One request's statement run on the engine: what to call, and what came of it."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from embedded.gateway.bodies import coalesce
from embedded.gateway.engine import Engine
from embedded.gateway.errors import from_engine, refusal
from embedded.gateway.statement import MAX_QUERY_BYTES, first_word, output_format, split_insert

# chDB encodes each block of a streamed result as a document of its own, so only formats without
# head, foot or separators can be streamed; others are made in one piece.
_STREAMED_FORMATS = frozenset(
    {"Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "RowBinary"}
    | {"JSONEachRow", "JSONCompactEachRow", "JSONLines", "NDJSON", "LineAsString", "Null"}
)
_ROW_KEYWORDS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})
_APPEND_BYTES = 4 * 1024 * 1024
_HELD_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Query:
    """A request's statement and what applies to it alone."""

    text: str
    body: Iterable[bytes]
    settings: Mapping[str, str]
    database: str
    default_format: str
    marker: str
    whole: bool


@dataclass
class Outcome:
    """A result: its chunks, its format (None for a statement without rows), its statistics."""

    chunks: Iterable[bytes] = ()
    format: str | None = None
    summary: dict[str, int] = field(default_factory=dict)

    def summary_header(self) -> str:
        return json.dumps({name: str(value) for name, value in self.summary.items()})


@contextmanager
def run(engine: Engine, query: Query) -> Iterator[Outcome]:
    """Run a query; its chunks can be read until the context ends. Raises EngineError.

    An error before the first chunk is raised on entering; a later one while reading, unless
    `whole` asks for the result to be complete before it is handed out.
    """
    body = iter(query.body)
    head = _read_head(query.text, body)
    insert = split_insert(head)
    with (
        ExitStack() as stack,
        engine.session(settings=query.settings, database=query.database) as connection,
    ):
        started = time.monotonic_ns()
        if insert is None:
            sql = query.marker.encode() + head + b"".join(body)
            outcome = _run_statement(connection, sql, query, stack)
        else:
            data = chain([head[insert.data_start :]], body)
            outcome = _run_insert(connection, insert.statement, insert.format, data)
        outcome.summary["elapsed_ns"] = time.monotonic_ns() - started
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


def _run_insert(
    connection: Any, statement: bytes, input_format: str, data: Iterable[bytes]
) -> Outcome:
    """Feed the data to the engine as it arrives. Nothing is kept of a body that breaks off."""
    inserter = connection.send_insert(statement.decode(), input_format)
    try:
        for chunk in coalesce(data, _APPEND_BYTES):
            inserter.append(chunk)
        result = inserter.finish()
    finally:
        inserter.cancel()  # does nothing after finish()
    return Outcome(
        summary={"written_rows": result.rows_written, "written_bytes": result.bytes_written}
    )


def _run_statement(connection: Any, sql: bytes, query: Query, stack: ExitStack) -> Outcome:
    keyword = first_word(sql)
    chosen = output_format(sql) or query.default_format
    if keyword in ("SELECT", "WITH") and chosen in _STREAMED_FORMATS:
        return _run_streamed(connection, sql, chosen, query.whole, stack)
    result = connection.query(sql, query.default_format)
    summary = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read(),
    }
    has_rows = keyword in _ROW_KEYWORDS or result.size() > 0
    return Outcome([result.bytes()], chosen if has_rows else None, summary)


def _run_streamed(
    connection: Any, sql: bytes, chosen: str, whole: bool, stack: ExitStack
) -> Outcome:
    stream = stack.enter_context(connection.send_query(sql, chosen))
    outcome = Outcome(format=chosen, summary={"read_rows": 0, "read_bytes": 0, "result_rows": 0})
    chunks = _stream_chunks(stream, outcome.summary)
    if whole:
        outcome.chunks = _held(chunks, stack)
    else:
        outcome.chunks = chain([next(chunks, b"")], chunks)
    return outcome


def _stream_chunks(stream: Any, summary: dict[str, int]) -> Iterator[bytes]:
    try:
        for block in stream:
            summary["read_rows"] += block.storage_rows_read()
            summary["read_bytes"] += block.storage_bytes_read()
            summary["result_rows"] += block.rows_read()
            yield block.bytes()
    except RuntimeError as error:
        raise from_engine(error) from error


def _held(chunks: Iterator[bytes], stack: ExitStack) -> Iterable[bytes]:
    """Wait for the last chunk, in memory up to a few megabytes and in an unnamed file beyond."""
    spool = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115
    stack.enter_context(spool)
    for chunk in chunks:
        spool.write(chunk)
    spool.seek(0)
    return iter(lambda: spool.read(_HELD_BYTES), b"")
