"""Makes the rollups anew for the days of another time zone.

The rollups of users are filled beside the old ones first, with views of their own, while events
arrive (`prepare`). Then deliveries pause, and the new tables replace the old ones (`take_over`). A
table and its view can't be exchanged in one step. So in between an insert would bring days of one
zone into the table of the other, and nobody may insert. Nobody may read the rollups from the first
step to the last, because they are of different zones meanwhile.

The table of `users` has no days, so it stays as it is.

Counts must have each event once, so they are filled in the pause. Both may be repeated after they
were broken off anywhere: they begin anew, with views out of the files of the schema.
"""

import re
from collections.abc import Callable, Mapping

from analytics import clickhouse, cluster, inserting
from analytics.maintenance import daily_counts, rebuild
from analytics.maintenance.migrate import SchemaFile
from analytics.queries import load
from analytics.schema import SCHEMA_DIR
from analytics.zones import in_zone

COUNTS = "daily_events"
OF_USERS = (*rebuild.BY_DAY, *rebuild.BY_USER)
_VIEW = re.compile(r"\bCREATE MATERIALIZED VIEW IF NOT EXISTS (\w+)_view TO \1 AS\s(.*)", re.DOTALL)


def prepare(table: str, *, project: int, zone: str, settled: Callable[[], None]) -> None:
    """Fill a rollup of users for the zone, beside the old one. For `settled` see `rebuild`.

    Raises ClickHouseError.
    """
    texts = _texts(table, zone)
    rebuild.discard(project, texts)
    rebuild.run("rebuild_table", project, texts)
    rebuild.run("rebuild_view", project, texts)
    settled()
    inserting.flush_buffer(project=project)
    rebuild.run("rebuild_fill", project, texts)
    rebuild.run("rebuild_merge", project, texts)


def take_over(
    *, project: int, zone: str, waiting: Callable[[], Mapping[daily_counts.Key, int]]
) -> None:
    """Replace all rollups by those that were prepared, and fill the counts.

    No insert may be on its way or begin meanwhile. `waiting` says which of the events that are
    there will be counted when their block is sent again. Raises ClickHouseError.
    """
    inserting.flush_buffer(project=project)
    counts = _texts(COUNTS, zone)
    rebuild.discard(project, counts)
    rebuild.run("rebuild_table", project, counts)
    rebuild.run("rebuild_fill", project, counts)
    for table in (COUNTS, *OF_USERS):
        texts = _texts(table, zone)
        rebuild.run("rezone_drop_view", project, texts)
        rebuild.run("rebuild_drop_view", project, texts)
        rebuild.run("rebuild_exchange", project, texts)
        for sql in cluster.statements(_views(zone)[table]):
            clickhouse.command(sql, project=project, seconds=clickhouse.SILENCE_SECONDS)
        rebuild.run("rebuild_drop_table", project, texts)
    daily_counts.subtract(waiting(), project=project)


def is_in_zone(*, project: int, zone: str) -> bool:
    """Whether there are all views, and they write days of the zone. Raises ClickHouseError."""
    day = in_zone("toDate(occurred_at/*zone*/)", zone)
    for table in (COUNTS, *OF_USERS):
        view = {"view": f"{table}_view"}
        rows = clickhouse.query(load("rebuild_select"), project=project, parameters=view)
        if not rows or day not in rows[0][0]:
            return False
    return True


def _texts(table: str, zone: str) -> dict[str, str]:
    found = _VIEW.search(_views(zone)[table])
    assert found
    select = re.sub(r"\bFROM events\b", f"FROM {cluster.local('events')}", found[2])
    return {**rebuild.texts_of(table, select), "old view": f"{table}_view"}


def _views(zone: str) -> dict[str, str]:
    """The statement that makes the view of each rollup, for days of the zone."""
    files = [SchemaFile(it.name, it.read_text()) for it in SCHEMA_DIR.glob("*.sql")]
    statements = [in_zone(it, zone) for file in files for it in file.statements]
    return {found[1]: it for it in statements if (found := _VIEW.search(it))}
