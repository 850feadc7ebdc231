"""What changes if ClickHouse is a cluster of shards and replicas: names, clauses and engines.

Each table of `schema/*.sql` then becomes two. For example, `events_local` is on every server and is
replicated within its shard. `events` is a Distributed table in front of it, which spreads the rows
over the shards by user. So queries read and write the same names as on one server. Statements about
storage (views, rebuilds, deletions) use `_local` and ON CLUSTER. All rows of a user are on one
shard. So a set of users, or a result grouped by user, is exact when the shards' answers are added.
"""

import re
from typing import Any

from django.conf import settings

# Replicas of each shard. A confirmed insert is on all of them.
REPLICAS = 2
# Rows with a user go to the shard of the user. Counts have no user: each shard counts the events of
# its users, and a correction may be on any shard. If counts were sharded by their own columns, some
# queries would skip shards that have counts.
_SHARDED_BY = {"daily_events": "rand()"}
_BY_USER = "user_hash"
# A table has the same UUID on all servers (ON CLUSTER) and keeps it when names are exchanged.
_IN_SHARD = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
_EVERYWHERE = "'/clickhouse/tables/{uuid}/all', '{shard}-{replica}'"
# No shard can have a part of a Buffer table: it is the memory of one server. It does not
# deduplicate anyway.
_BUFFER = re.compile(r"\bENGINE = Buffer\(")
_TABLE = re.compile(r"\bCREATE TABLE IF NOT EXISTS (\w+)(?=\s)")
_VIEW = re.compile(r"\bCREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+)(?=\s)")
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)\b(?:\((\w+)\))?")
_SOURCE = re.compile(r"\bFROM events\b")
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
# Tokens in Keeper also expire by age, by default after an hour.
_WINDOW_SECONDS = 7 * 24 * 3600


class UnknownStatement(Exception):
    """A statement of the schema that has no form for a cluster yet."""


def on() -> str:
    """The clause after a name in a statement that every server must run; empty without cluster."""
    return f" ON CLUSTER {settings.CLICKHOUSE_CLUSTER}" if settings.CLICKHOUSE_CLUSTER else ""


def local(table: str) -> str:
    """The table that stores the rows of what queries call `table`."""
    return f"{table}_local" if settings.CLICKHOUSE_CLUSTER else table


def into(table: str) -> str:
    """What to insert into, so that rows reach the tables that `local` names."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    place = f"{settings.CLICKHOUSE_CLUSTER}, currentDatabase(), {local(table)}"
    return f"FUNCTION cluster({place}, {_SHARDED_BY.get(table, _BY_USER)})"


def every_server(table: str) -> str:
    """SQL for the rows of a system table on all servers that answer."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    return f"clusterAllReplicas({settings.CLICKHOUSE_CLUSTER}, {table})"


def every_replica(table: str) -> str:
    """SQL for the rows of `table` as each server has them. It fails unless all servers answer."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    return f"clusterAllReplicas({settings.CLICKHOUSE_CLUSTER}, currentDatabase(), {local(table)})"


def options(*, seconds: float | None = None) -> dict[str, Any]:
    """Settings with which a statement reads and writes the same as on one server.

    A statement waits for the other servers for `seconds`, by default as long as an insert may take.
    It waits for a second replica half as long.
    """
    if not settings.CLICKHOUSE_CLUSTER:
        return {}
    patience = int(seconds or settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS)
    return {
        # An insert is confirmed when both replicas of each shard have it. Not "auto": with a single
        # replica, "auto" waits for a second replica. Some versions don't check first which replicas
        # are alive.
        "distributed_foreground_insert": 1,
        "insert_quorum": REPLICAS,
        # Ends before max_execution_time, because that error means that the block was too large.
        "insert_quorum_timeout": patience * 1000 // 2,
        "distributed_ddl_task_timeout": patience,
        # All tables of a shard are read from the same replica, whichever server gets the query.
        # Otherwise a replica that lags would look like a wrong count. It is the first replica,
        # unless that one failed recently. A replica that is far behind is never read, even if it is
        # the last one.
        "load_balancing": "in_order",
        "prefer_localhost_replica": 0,
        "use_hedged_requests": 0,
        "fallback_to_stale_replicas_for_distributed_queries": 0,
        # A query with a segment on a user goes only to that user's shard.
        "optimize_skip_unused_shards": 1,
        # A shard looks for users who did something among its own users.
        "distributed_product_mode": "local",
        # Each shard groups the rows of its own users.
        "optimize_distributed_group_by_sharding_key": 1,
    }


def shared(statement: str) -> str:
    """CREATE TABLE for a table with the same rows on all servers."""
    if not settings.CLICKHOUSE_CLUSTER:
        return statement
    return _replicated(_TABLE.sub(lambda it: it[0] + on(), statement), _EVERYWHERE)


def statements(statement: str) -> list[str]:
    """What a statement of `schema/*.sql` becomes on a cluster; unchanged without a cluster.

    Raises UnknownStatement.
    """
    if not settings.CLICKHOUSE_CLUSTER:
        return [statement]
    if _BUFFER.search(statement):
        return []
    if _VIEW.search(statement) and _SOURCE.search(statement):
        sql = _VIEW.sub(lambda it: f"{_created(it, it[1])} TO {local(it[2])}", statement)
        return [_SOURCE.sub(f"FROM {local('events')}", sql)]
    table = _TABLE.search(statement)
    if not table or not _ENGINE.search(statement):
        raise UnknownStatement(f"this statement has no form for a cluster: {statement}")
    sql = _TABLE.sub(lambda it: _created(it, local(it[1])), statement)
    seconds = f"replicated_deduplication_window_seconds = {_WINDOW_SECONDS}"
    sql = _WINDOW.sub(rf"replicated_deduplication_window = \1, {seconds}", sql)
    return [_replicated(sql, _IN_SHARD), _distributed(table[1])]


def _created(match: re.Match[str], name: str) -> str:
    before, _, _ = match[0].partition(match[1])
    return f"{before}{name}{on()}"


def _replicated(sql: str, place: str) -> str:
    def engine(match: re.Match[str]) -> str:
        arguments = ", ".join(filter(None, [place, match[2]]))
        return f"ENGINE = Replicated{match[1]}({arguments})"

    return _ENGINE.sub(engine, sql)


def _distributed(table: str) -> str:
    """CREATE TABLE for the Distributed table in front of a local table.

    It contains the name of the database, because currentDatabase() may differ on other servers.
    """
    place = f"{settings.CLICKHOUSE_CLUSTER}, {{database:String}}, {local(table)}"
    return (
        f"CREATE TABLE IF NOT EXISTS {table}{on()} AS {local(table)}\n"
        f"ENGINE = Distributed({place}, {_SHARDED_BY.get(table, _BY_USER)})"
    )
