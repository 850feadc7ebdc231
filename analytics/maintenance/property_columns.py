"""Gives a property a column of its own, or takes it away, while events come and reports are asked.

Both may be repeated after they were broken off anywhere. Reports read the column only after all of
it is there (`analytics.segments.columns`).
"""

import time
from typing import NamedTuple

from analytics import clickhouse, cluster, inserting
from analytics.queries import load, load_filled
from analytics.segments import columns
from analytics.segments.expressions import Field

# Each column costs every insert.
MAX_COLUMNS = 16


class TooMany(Exception):
    """A project has MAX_COLUMNS properties with columns."""


class PathTooLong(Exception):
    """The path does not fit into the name of a column."""


class Column(NamedTuple):
    """A property with a column; `is_in_use` says whether reports read it."""

    path: str
    is_in_use: bool
    size: int


def all_of(*, project: int) -> list[Column]:
    """The columns of the project's properties, by path. Raises ClickHouseError."""
    table = {"table": cluster.local("events")}
    sizes = dict(clickhouse.query(load("property_sizes"), project=project, parameters=table))
    rows = clickhouse.query(load("property_columns"), project=project)
    return sorted(
        Column(columns.path_in(name), bool(is_in_use), int(sizes.get(name, 0)))
        for name, is_in_use in rows
    )


def add(field: Field, *, project: int) -> bool:
    """Whether the property has got a column now; False if reports read it already.

    Returns when all parts have it. Raises TooMany, PathTooLong, and ClickHouseError.
    """
    path = columns.path_text(field)
    if len(path.encode()) > columns.MAX_PATH_BYTES:
        raise PathTooLong
    there = {one.path: one for one in all_of(project=project)}
    if path in there and there[path].is_in_use:
        return False
    if path not in there and len(there) >= MAX_COLUMNS:
        raise TooMany
    parameters: dict[str, object] = {}

    def bind(name: str, type_name: str, value: object) -> str:
        parameters[name] = value
        return f"{{{name}:{type_name}}}"

    value = columns.value_in(field, bind)
    # On a cluster, the table in front of the shards must know the column last.
    for table in dict.fromkeys([cluster.local("events"), "events"]):
        _run("property_add", project, field, {"table": table, "value": value}, parameters)
    inserting.flush_buffer(project=project)
    _run("property_fill", project, field, {"table": cluster.local("events")})
    _run("property_mark", project, field, {"comment": "in use"})
    return True


def remove(field: Field, *, project: int) -> bool:
    """Whether the property had a column. Waits until no report reads it. Raises ClickHouseError."""
    if columns.path_text(field) not in {one.path for one in all_of(project=project)}:
        return False
    _run("property_mark", project, field, {"comment": ""})
    _wait_for_reports()
    for table in dict.fromkeys(["events", cluster.local("events")]):
        _run("property_drop", project, field, {"table": table})
    return True


def seconds_of_reports() -> float:
    """Seconds after which no report reads a column that was in use before."""
    return columns.KEPT_SECONDS + clickhouse.longest_query_seconds()


def _wait_for_reports() -> None:
    time.sleep(seconds_of_reports())


def _run(
    name: str,
    project: int,
    field: Field,
    texts: dict[str, str],
    parameters: clickhouse.Parameters | None = None,
) -> None:
    """Run a statement until every replica has done it."""
    column = columns.name_of(field)
    clickhouse.command(
        load_filled(name, {"column": column, "on cluster": cluster.on(), **texts}),
        project=project,
        parameters=parameters,
        options={"mutations_sync": 2, "alter_sync": 2},
        seconds=clickhouse.SILENCE_SECONDS,
    )
