"""The way to ClickHouse: what the service asks it, tells it and hands over to it."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from django.conf import settings

from analytics import cluster, driver
from analytics.driver import DriverError
from analytics.queries import load
from config.monitoring import metrics, request_id

Parameters: TypeAlias = Mapping[str, Any]
Settings: TypeAlias = Mapping[str, Any]

PING_TIMEOUT_SECONDS = 3
# The server gives up first; so much later its own error has arrived, or it hangs.
MARGIN_SECONDS = 5
# A stream may take as long as it takes. While the server looks for the first matching row, or
# whoever reads the stream pauses, nothing is sent for so long at most.
SILENCE_SECONDS = 3_600

# Codes (ClickHouse's ErrorCodes.cpp) of values that cannot be read or held, raised while a block
# is parsed, before any of it is written. All others say nothing about what was sent: the same
# bytes may succeed later, or after an operator's repair.
_CONTENT = frozenset(
    {
        *(6, 25, 26, 27, 38, 41, 72, 376, 467),  # CANNOT_PARSE_…: text, escapes, dates, numbers
        *(33, 117, 561, 632),  # incomplete or incorrect data, frames of zstd, more than a value
        *(131, 321, 407, 469),  # too long, out of range, against a constraint
    }
)

# How a line of JSON becomes a row: any offset is understood, the object under properties_text
# stays the text it was, date-like text stays text, a key with a dot is no nested path, and a
# path said twice keeps its first value instead of failing the block.
_LINE_SETTINGS = {
    "date_time_input_format": "best_effort",
    "input_format_json_read_objects_as_strings": 1,
    "input_format_skip_unknown_fields": 0,
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    "json_type_escape_dots_in_keys": 1,
    "type_json_skip_duplicated_paths": 1,
}
# A token names a block: it must not be cut in two differently when it is sent again, and events
# of thirty years in one block are still one block.
_TOKEN_SETTINGS = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 0,
}
SCHEMA_DIR = Path(__file__).parent / "schema"
COLUMNS = ("event_id", "occurred_at", "user_id", "event_type", "properties_text")


class ClickHouseError(Exception):
    """Anything that went wrong with ClickHouse; `code` is its own number, if it gave one."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ClickHouseUnavailable(ClickHouseError):
    """Unreachable, overloaded, over a limit or not set up: the same call may succeed later."""


class ClickHouseRefused(ClickHouseError):
    """ClickHouse can't read a value in what was sent, and has kept no row of it."""


@dataclass(frozen=True)
class Identifier:
    """A name for a `{name:Identifier}` parameter: a value is escaped on its way, a name is not."""

    name: str

    def __str__(self) -> str:
        return self.name


class _Answer(msgspec.Struct):
    data: list[list[Any]]


_answer = msgspec.json.Decoder(_Answer)
# Servers, by URL, that were seen to have the whole schema.
_complete: set[str] = set()


def query(
    sql: str, *, parameters: Parameters | None = None, options: Settings | None = None
) -> list[list[Any]]:
    """Rows of a SELECT, each a list of what JSON has: numbers, texts, None, lists; dates are texts.

    Values reach the SQL only as `{name:Type}`; `options` are ClickHouse settings. Raises
    ClickHouseUnavailable (also over the time limit, `CLICKHOUSE_QUERY_TIMEOUT_SECONDS`) or
    ClickHouseRefused.
    """
    all_options = {
        "max_execution_time": settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS,
        "output_format_json_quote_64bit_integers": 0,
        **cluster.options(),
        **(options or {}),
    }
    try:
        body = _client(all_options["max_execution_time"]).raw_query(
            sql, parameters=dict(parameters or {}), settings=all_options, fmt="JSONCompact"
        )
        # JSON through msgspec costs less than the driver's Native blocks for a few rows.
        return _answer.decode(body).data
    except DriverError as error:
        raise _translated(error) from error
    except msgspec.DecodeError as error:
        raise ClickHouseUnavailable(f"ClickHouse's answer broke off: {error}") from error


def stream(
    sql: str, *, parameters: Parameters | None = None, options: Settings | None = None
) -> Generator[list[Sequence[Any]]]:
    """The result of a SELECT as blocks, each a list of its columns, without a time limit.

    A block or two are in memory at a time. Raises ClickHouseError, also when the result breaks
    off: whoever has seen the end has seen every row. Left early, it must be closed.
    """
    all_options = {
        "max_execution_time": 0,
        "http_send_timeout": SILENCE_SECONDS,
        **cluster.options(),
        **(options or {}),
    }
    try:
        response: Any = _client(SILENCE_SECONDS).raw_stream(
            sql, parameters=dict(parameters or {}), settings=all_options, fmt="Native"
        )
    except DriverError as error:
        raise _translated(error) from error
    return _blocks(response)


def _blocks(response: Any) -> Generator[list[Sequence[Any]]]:
    try:
        yield from driver.blocks(response)
    except DriverError as error:
        raise _translated(error) from error
    except (ValueError, LookupError) as error:
        # The text of an error where the driver expects a block.
        raise ClickHouseUnavailable(f"ClickHouse's answer broke off: {error}") from error


def command(
    sql: str,
    *,
    parameters: Parameters | None = None,
    in_database: bool = True,
    seconds: float | None = None,
) -> None:
    """Runs a statement that has no rows to give back, outside of our database if told so.

    Its answer is waited for as long as an insert's, or for `seconds`.
    """
    try:
        # Not by the driver's own `command`, which puts parameters into the address, however long.
        _client(seconds).raw_query(
            sql,
            parameters=dict(parameters or {}),
            settings=cluster.options(seconds=seconds),
            use_database=in_database,
        )
    except DriverError as error:
        raise _translated(error) from error


def log_comment(name: str, **about: str) -> str:
    """What a query says of itself in ClickHouse's query log: its name and the request it is for."""
    said = {"name": name, "request_id": request_id.current(), **about}
    return json.dumps({key: value for key, value in said.items() if value})


def kill(comment: str) -> None:
    """Asks for the end of the query that runs with this `log_comment`, on whichever server.

    Found by it and not by a `query_id`, which the engine of the one-machine stack can't be given.
    It may not have come to the server yet: whoever wants it gone asks again. Nothing is raised.
    With the time limit of a report, as its connection does: one more would ask the server, which
    may be full, for its version first.
    """
    sql = load("kill_query").replace("/*on cluster*/", cluster.on())
    # A server of a cluster that is gone is not waited for.
    options = {"distributed_ddl_task_timeout": 0} if cluster.on() else None
    with suppress(ClickHouseError):
        query(sql, parameters={"comment": comment}, options=options)


def flush_buffer() -> None:
    """Bring what waits in memory, where CLICKHOUSE_USE_BUFFER lets it, into the events."""
    if settings.CLICKHOUSE_USE_BUFFER:
        command("OPTIMIZE TABLE events_buffer")


def insert_block(*, token: str, body: bytes, compression: str | None = "zstd") -> None:
    """Inserts a block of events once, however often it is sent under one token.

    `body` holds one JSON object a line with the keys of COLUMNS, compressed as `compression`
    says (`zstd`, several frames one after another allowed, or None). It is one block for
    ClickHouse, in the table and in the rollups. Raises ClickHouseUnavailable when it may be sent
    again as it is, also while the schema is incomplete; ClickHouseRefused when a row in it can't
    be taken; then no row was.
    """
    _require_schema()
    table = "events_buffer" if settings.CLICKHOUSE_USE_BUFFER else "events"
    try:
        with metrics.CLICKHOUSE_QUERY_SECONDS.labels("insert").time():
            _client().raw_insert(
                table,
                column_names=COLUMNS,
                insert_block=body,
                fmt="JSONEachRow",
                compression=compression,
                settings=_insert_settings(token),
            )
    except DriverError as error:
        # It may be about to be set up anew.
        _complete.discard(settings.CLICKHOUSE_URL)
        raise _translated(error) from error


def _insert_settings(token: str) -> dict[str, Any]:
    return {
        **_LINE_SETTINGS,
        **_TOKEN_SETTINGS,
        **cluster.options(),
        "insert_deduplication_token": token,
        "log_comment": log_comment("insert", batch_id=token),
        "max_execution_time": settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS,
    }


def _require_schema() -> None:
    """What is inserted before a rollup's view exists is missing from that rollup for ever."""
    if settings.CLICKHOUSE_URL in _complete:
        return
    applied = {name for (name,) in query("SELECT name FROM schema_files")}
    if missing := {path.name for path in SCHEMA_DIR.glob("*.sql")} - applied:
        raise ClickHouseUnavailable(
            f"the schema lacks {', '.join(sorted(missing))}: run manage.py migrate_clickhouse"
        )
    _complete.add(settings.CLICKHOUSE_URL)


def ping() -> None:
    """Raises ClickHouseUnavailable unless the server answers within a few seconds."""
    if not _client(settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS).ping(timeout=PING_TIMEOUT_SECONDS):
        raise ClickHouseUnavailable("ClickHouse does not answer")


def server_version() -> str:
    """Such as `25.8.2.1`. Raises ClickHouseError."""
    return _client().server_version or ""


def database() -> str:
    """The name of the database that CLICKHOUSE_URL points at."""
    return driver.database_of(settings.CLICKHOUSE_URL)


def longest_insert_seconds() -> int:
    """After so long an insert has ended, whatever became of it."""
    limit = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS
    return int(driver.CONNECT_TIMEOUT_SECONDS + limit + MARGIN_SECONDS)


def _client(limit: float | None = None) -> driver.Client:
    """For calls that the server ends after `limit` seconds; as long as an insert by default."""
    seconds = ceil(limit or settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS) + MARGIN_SECONDS
    try:
        return driver.client(settings.CLICKHOUSE_URL, seconds)
    except DriverError as error:
        raise _translated(error) from error


def _translated(error: DriverError) -> ClickHouseError:
    code: int | None = getattr(error, "code", None)
    if code in _CONTENT and not isinstance(error, driver.OperationalError):
        return ClickHouseRefused(str(error), code=code)
    return ClickHouseUnavailable(str(error), code=code)
