"""All calls to ClickHouse: queries, streams, commands and inserts.

Each project has a database of its own, with the same tables. So every call names its project, and
no query can see the events of another. Only `query_server` and `command_server` name none.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeAlias

import msgspec
from django.conf import settings

from analytics import cluster, driver
from analytics.driver import DriverError
from analytics.queries import load
from config.monitoring import request_id
from projects.numbers import DEFAULT

Parameters: TypeAlias = Mapping[str, Any]
Settings: TypeAlias = Mapping[str, Any]

PING_TIMEOUT_SECONDS = 3
# The server ends a call first. If its error has not arrived this much later, the server hangs.
MARGIN_SECONDS = 5
# A stream has no time limit, but it may be silent for this long at most: while the server looks for
# the first matching row, or while the reader of the stream pauses.
SILENCE_SECONDS = 3_600

# Codes (ClickHouse's ErrorCodes.cpp) for values that ClickHouse cannot read or store. It raises
# them while it parses a block, before it writes any of it. Other codes say nothing about the data:
# the same bytes may succeed later, or after an operator's repair.
_CONTENT = frozenset(
    {
        *(6, 25, 26, 27, 38, 41, 72, 376, 467),  # CANNOT_PARSE_…: text, escapes, dates, numbers
        *(33, 117, 561, 632),  # incomplete or incorrect data, frames of zstd, more than a value
        *(131, 321, 407, 469),  # too long, out of range, against a constraint
    }
)


_JSON = {
    "output_format_json_quote_64bit_integers": 0,
    # For a few rows, starting threads that format them costs 0.7 ms.
    "output_format_parallel_formatting": 0,
}


class ClickHouseError(Exception):
    """Any error of ClickHouse; `code` is ClickHouse's number for the error, if it gave one."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ClickHouseUnavailable(ClickHouseError):
    """Unreachable, overloaded, over a limit or not set up: the same call may succeed later."""


class ClickHouseRefused(ClickHouseError):
    """ClickHouse can't read a value that it was sent, and has stored none of the rows."""


@dataclass(frozen=True)
class Identifier:
    """A name for a `{name:Identifier}` parameter. The driver escapes values, but not names."""

    name: str

    def __str__(self) -> str:
        return self.name


class _Answer(msgspec.Struct):
    data: list[list[Any]]


_answer = msgspec.json.Decoder(_Answer)


def query(
    sql: str,
    *,
    project: int,
    parameters: Parameters | None = None,
    options: Settings | None = None,
) -> list[list[Any]]:
    """Rows of a SELECT, each a list of JSON values: numbers, texts, None, lists. Dates are texts.

    Values reach the SQL only as parameters, `{name:Type}`. `options` are ClickHouse settings. The
    time limit is `CLICKHOUSE_QUERY_TIMEOUT_SECONDS`, unless `options` sets `max_execution_time`.
    Raises ClickHouseUnavailable (also past the time limit, or without the project's database) or
    ClickHouseRefused.
    """
    return _query(sql, parameters, {**(options or {}), **_in(project)})


def query_server(
    sql: str, *, parameters: Parameters | None = None, options: Settings | None = None
) -> list[list[Any]]:
    """The same about the server itself. The SQL must name the database of each table."""
    return _query(sql, parameters, options or {})


def _query(sql: str, parameters: Parameters | None, options: Settings) -> list[list[Any]]:
    all_options = {
        "max_execution_time": settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS,
        **_JSON,
        **cluster.options(),
        **options,
    }
    try:
        body = driver.ask(
            _client(all_options["max_execution_time"]),
            sql,
            parameters=parameters or {},
            settings=all_options,
            format="JSONCompact",
        )
        # For a few rows, JSON through msgspec costs less than the driver's Native blocks.
        return _answer.decode(body).data
    except DriverError as error:
        raise _translated(error) from error
    except msgspec.DecodeError as error:
        raise ClickHouseUnavailable(f"ClickHouse's answer is incomplete: {error}") from error


def stream(
    sql: str,
    *,
    project: int,
    parameters: Parameters | None = None,
    options: Settings | None = None,
) -> Generator[list[Sequence[Any]]]:
    """The result of a SELECT as blocks, each a list of columns. There is no time limit.

    One or two blocks are in memory at a time. Raises ClickHouseError, also if the result breaks
    off, so a stream that ends without an error is complete. A caller that stops early must close
    the stream.
    """
    all_options = {
        "max_execution_time": 0,
        "http_send_timeout": SILENCE_SECONDS,
        **cluster.options(),
        **(options or {}),
        **_in(project),
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
        # The server sent the text of an error where the driver expects a block.
        raise ClickHouseUnavailable(f"ClickHouse's answer is incomplete: {error}") from error


def command(
    sql: str,
    *,
    project: int,
    parameters: Parameters | None = None,
    options: Settings | None = None,
    seconds: float | None = None,
) -> None:
    """Runs a statement that returns no rows. Raises ClickHouseError.

    The server has `seconds` to answer, by default as many as for an insert.
    """
    _command(sql, parameters, seconds, {**_in(project), **(options or {})})


def command_server(
    sql: str,
    *,
    parameters: Parameters | None = None,
    options: Settings | None = None,
    seconds: float | None = None,
) -> None:
    """The same outside of any database, for a statement that makes or drops one."""
    _command(sql, parameters, seconds, options or {})


def _command(
    sql: str, parameters: Parameters | None, seconds: float | None, options: Settings
) -> None:
    try:
        # Not the driver's own `command`: it puts parameters into the URL, even very long ones.
        _client(seconds).raw_query(
            sql,
            parameters=dict(parameters or {}),
            settings={**cluster.options(seconds=seconds), **options},
        )
    except DriverError as error:
        raise _translated(error) from error


def insert(
    table: str,
    *,
    project: int,
    columns: Sequence[str],
    body: bytes,
    compression: str | None,
    options: Settings,
) -> None:
    """Inserts rows: `body` has one JSON object a line, with the keys of `columns`.

    `compression` is `zstd` or None. Blocks of events go through `inserting`. Raises
    ClickHouseError.
    """
    try:
        _client().raw_insert(
            table,
            column_names=columns,
            insert_block=body,
            fmt="JSONEachRow",
            compression=compression,
            settings={**options, **_in(project)},
        )
    except DriverError as error:
        raise _translated(error) from error


def log_comment(name: str, **about: str) -> str:
    """JSON for ClickHouse's query log: the query's name, the request's id and `about`."""
    said = {"name": name, "request_id": request_id.current(), **about}
    return json.dumps({key: value for key, value in said.items() if value})


def kill(comment: str) -> None:
    """Asks ClickHouse to end the query that runs with this `log_comment`, on any server.

    The comment identifies the query, because the engine of the one-machine stack accepts no
    `query_id`. The query may not have reached the server yet, so the caller should call again.
    Raises nothing. The call has the time limit of a report, so that it uses the same client. A new
    client would first ask the server for its version, and the server may be full.
    """
    sql = load("kill_query").replace("/*on cluster*/", cluster.on())
    # Do not wait for a server of the cluster that is down.
    options = {"distributed_ddl_task_timeout": 0} if cluster.on() else None
    with suppress(ClickHouseError):
        query_server(sql, parameters={"comment": comment}, options=options)


def ping() -> None:
    """Raises ClickHouseUnavailable unless the server answers within a few seconds."""
    client = _client(settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS)
    if not driver.answers(client, PING_TIMEOUT_SECONDS):
        raise ClickHouseUnavailable("ClickHouse does not answer")


def server_version() -> str:
    """The version of the server, such as `25.8.2.1`. Raises ClickHouseError."""
    return _client().server_version or ""


def database(*, project: int) -> str:
    """The name of the project's database: that in CLICKHOUSE_URL, or beginning with it."""
    name = driver.database_of(settings.CLICKHOUSE_URL)
    return name if project == DEFAULT else f"{name}_{project}"


def _in(project: int) -> Settings:
    """What has a call run in the project's database. One client serves all databases."""
    return {"database": database(project=project)}


def longest_insert_seconds() -> int:
    """Seconds after which every insert has ended, with success or without."""
    limit = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS
    return int(driver.CONNECT_TIMEOUT_SECONDS + limit + MARGIN_SECONDS)


def longest_query_seconds() -> int:
    """Seconds after which every query of a report has ended, with an answer or without."""
    limit = settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS
    return int(driver.CONNECT_TIMEOUT_SECONDS + limit + MARGIN_SECONDS)


def _client(limit: float | None = None) -> driver.Client:
    """The client for calls that the server ends after `limit` seconds; default: as an insert."""
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
