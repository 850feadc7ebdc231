"""Rebuild the rollups of users from the events, while new events arrive.

A new table is filled beside the old one and then replaces it in one step. Until then, reports read
the old table. New events reach both tables, because the new table has a view of its own. These
tables are sets, masks, first and last moments, in which a repeated row counts once. So new events
and the events that are read from `events` may overlap. Counts may not: `daily_counts` corrects
`daily_events`.
"""

import re
from collections.abc import Callable
from datetime import date

from analytics import clickhouse, cluster, inserting
from analytics.queries import load, load_filled

BY_DAY = ("daily_users", "daily_users_by_type")
# A row is for a user and some years, without a day, so these tables are rebuilt as a whole.
BY_USER = ("weekly_users", "weekly_users_by_type")
# Nor has a row of this one a day, and its moments are the same in every zone.
IN_ANY_ZONE = ("users",)
ALL = (*BY_DAY, *BY_USER, *IN_ANY_ZONE)


def rebuild(
    table: str,
    *,
    project: int,
    start: date,
    end: date,
    settled: Callable[[], None] = lambda: None,
) -> None:
    """Fill `table` again from the events of the days from `start` to `end`, both included.

    Rows of other days stay. A table whose rows have no day is filled again as a whole. `settled`
    must return only when every insert that began before its call has ended, because only these
    inserts may see neither table's view. Raises ClickHouseError; the old table is then unchanged.
    """
    texts = texts_of(table, _select(project, f"{table}_view"))
    days = {"start": start, "end": end}
    discard(project, texts)
    run("rebuild_table", project, texts)
    try:
        run("rebuild_view", project, texts)
        settled()
        inserting.flush_buffer(project=project)
        if table in BY_DAY:
            run("rebuild_fill_days", project, texts, days)
            run("rebuild_keep", project, texts, days)
        else:
            run("rebuild_fill", project, texts)
        run("rebuild_merge", project, texts)
        settled()  # fails if the caller has lost its lock
        run("rebuild_exchange", project, texts)
    finally:
        discard(project, texts)


def texts_of(table: str, select: str) -> dict[str, str]:
    """The names and SQL that go into the statements; `select` is that of the table's view.

    On a cluster, statements change the tables of each server, but read the rows of all servers.
    """
    new = f"{table}_rebuilt"
    return {
        "old": cluster.local(table),
        "new": cluster.local(new),
        "view": f"{new}_view",
        "select": select,
        "all old": table,
        "into new": cluster.into(new),
        "select all": re.sub(rf"\b{cluster.local('events')}\b", "events", select),
        "on cluster": cluster.on(),
    }


def discard(project: int, texts: dict[str, str]) -> None:
    """Drop what this rebuild, or an earlier one that was killed, has left."""
    run("rebuild_drop_view", project, texts)
    run("rebuild_drop_table", project, texts)


def _select(project: int, view: str) -> str:
    """The SELECT of the view, as the server has it. Raises ClickHouseUnavailable without a view."""
    rows = clickhouse.query(load("rebuild_select"), project=project, parameters={"view": view})
    if not rows:
        raise clickhouse.ClickHouseUnavailable(
            f"ClickHouse's schema lacks the view {view}: run manage.py migrate_clickhouse"
        )
    return str(rows[0][0])


def run(
    name: str, project: int, texts: dict[str, str], values: clickhouse.Parameters | None = None
) -> None:
    """Run a statement for SILENCE_SECONDS at most.

    `texts` become part of the SQL: they are names of this service and the server's own SELECT.
    """
    sql = load_filled(name, texts)
    clickhouse.command(sql, project=project, parameters=values, seconds=clickhouse.SILENCE_SECONDS)
