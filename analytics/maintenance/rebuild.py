"""Rebuild the rollups of users from the events, while events go on arriving.

A new table is filled beside the old one and takes its place at once; reports read the old one
meanwhile. What arrives meanwhile reaches both, by a view of the new table's own. These tables are
sets, minima and masks: what is in them twice counts once, so that arriving events and those read
from `events` may overlap. Counts may not: `daily_events` is mended by `daily_counts`.
"""

import re
from collections.abc import Callable
from datetime import date

from analytics import clickhouse, cluster
from analytics.queries import load

BY_DAY = ("daily_users", "daily_users_by_type")
# A row is of a user and some years: these are rebuilt whole.
BY_USER = ("weekly_users", "weekly_users_by_type")


def rebuild(
    table: str, *, start: date, end: date, settled: Callable[[], None] = lambda: None
) -> None:
    """Fill `table` anew from the events of `start` to `end`, included; what it says of other days
    stays, or is filled anew as well where a row has no day.

    `settled` returns once every insert that had begun before it was called has ended: those alone
    might see neither table's view. Raises ClickHouseError; the old table is then as it was.
    """
    texts = _texts(table)
    days = {"start": start, "end": end}
    _discard(texts)
    _run("rebuild_table", texts)
    try:
        _run("rebuild_view", texts)
        settled()
        clickhouse.flush_buffer()
        if table in BY_USER:
            _run("rebuild_fill", texts)
        else:
            _run("rebuild_fill_days", texts, days)
            _run("rebuild_keep", texts, days)
        _run("rebuild_merge", texts)
        settled()  # which fails where whoever holds the caller's lock has lost it
        _run("rebuild_exchange", texts)
    finally:
        _discard(texts)


def _texts(table: str) -> dict[str, str]:
    """What the statements are about: on a cluster each server's own tables, but rows of all."""
    new, select = f"{table}_rebuilt", _select(f"{table}_view")
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


def _discard(texts: dict[str, str]) -> None:
    """What this rebuild, or one that was killed, leaves behind."""
    _run("rebuild_drop_view", texts)
    _run("rebuild_drop_table", texts)


def _select(view: str) -> str:
    """What the view makes of events, as the server has it."""
    rows = clickhouse.query(load("rebuild_select"), parameters={"view": view})
    if not rows:
        raise clickhouse.ClickHouseUnavailable(
            f"the schema lacks {view}: run manage.py migrate_clickhouse"
        )
    return str(rows[0][0])


def _run(name: str, texts: dict[str, str], values: clickhouse.Parameters | None = None) -> None:
    """A statement as long as it may take; `texts` are names of ours and the server's own SELECT."""
    sql = load(name)
    for place, text in texts.items():
        sql = sql.replace(f"/*{place}*/", text)
    clickhouse.command(sql, parameters=values, seconds=clickhouse.SILENCE_SECONDS)
