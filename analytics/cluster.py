"""What changes where ClickHouse is a cluster of shards and replicas: names, clauses and engines.

Each table of `schema/*.sql` is then two: `events_local` on every server, replicated within its
shard, and `events` in front of it, Distributed over the shards by user. So every query reads and
writes the names it always did, and whatever concerns storage (views, rebuilds, deletions) says
`_local` and ON CLUSTER. All rows of a user lie on one shard: a set of users, or what groups by
user, is exact when the shards' answers are added up.
"""

import re
from typing import Any

from django.conf import settings

# Of each shard: what is confirmed is on all of them.
REPLICAS = 2
# Whatever has a user goes where the user is. Counts have none: each shard counts its users' events,
# and a correction may lie anywhere. A key of their own columns would have shards left unasked.
_SHARDED_BY = {"daily_events": "rand()"}
_BY_USER = "user_hash"
# The UUID is one for all servers (ON CLUSTER) and stays with a table when names are exchanged.
_IN_SHARD = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
_EVERYWHERE = "'/clickhouse/tables/{uuid}/all', '{shard}-{replica}'"
# Of what no shard can have a part: one server's memory, which gives up deduplication anyway.
_BUFFER = re.compile(r"\bENGINE = Buffer\(")
_TABLE = re.compile(r"\bCREATE TABLE IF NOT EXISTS (\w+)(?=\s)")
_VIEW = re.compile(r"\bCREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+)(?=\s)")
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)\b(?:\((\w+)\))?")
_SOURCE = re.compile(r"\bFROM events\b")
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
# Tokens in Keeper are also forgotten by age, by default after an hour.
_WINDOW_SECONDS = 7 * 24 * 3600


class UnknownStatement(Exception):
    """A statement of the schema that has no form for a cluster yet."""


def on() -> str:
    """Ends a name in a statement that every server has to carry out."""
    return f" ON CLUSTER {settings.CLICKHOUSE_CLUSTER}" if settings.CLICKHOUSE_CLUSTER else ""


def local(table: str) -> str:
    """Where the rows are of what queries call `table`."""
    return f"{table}_local" if settings.CLICKHOUSE_CLUSTER else table


def into(table: str) -> str:
    """What to insert into, so that rows reach the tables that `local` names."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    place = f"{settings.CLICKHOUSE_CLUSTER}, currentDatabase(), {local(table)}"
    return f"FUNCTION cluster({place}, {_SHARDED_BY.get(table, _BY_USER)})"


def every_server(table: str) -> str:
    """A system table, of all servers that answer."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    return f"clusterAllReplicas({settings.CLICKHOUSE_CLUSTER}, {table})"


def every_replica(table: str) -> str:
    """The rows of `table` as each server has them; read only while all of them answer."""
    if not settings.CLICKHOUSE_CLUSTER:
        return table
    return f"clusterAllReplicas({settings.CLICKHOUSE_CLUSTER}, currentDatabase(), {local(table)})"


def options(*, seconds: float | None = None) -> dict[str, Any]:
    """Settings with which a statement sees and leaves the same as it does on one server.

    The other servers' part in a statement is waited for as long as an insert may take, or for
    `seconds`, and a second replica for half of it.
    """
    if not settings.CLICKHOUSE_CLUSTER:
        return {}
    patience = int(seconds or settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS)
    return {
        # An insert is confirmed when each shard has it, on both replicas. Not "auto": of a replica
        # alone it waits for a second one's word, and some versions don't look who is alive first.
        "distributed_foreground_insert": 1,
        "insert_quorum": REPLICAS,
        # Ends before max_execution_time, whose error says that the block was too much.
        "insert_quorum_timeout": patience * 1000 // 2,
        "distributed_ddl_task_timeout": patience,
        # Tables of a shard are read from one replica whichever server is asked, or one that lags
        # would seem miscounted: the first, unless it has failed of late; and from none that is far
        # behind, were it the last one.
        "load_balancing": "in_order",
        "prefer_localhost_replica": 0,
        "use_hedged_requests": 0,
        "fallback_to_stale_replicas_for_distributed_queries": 0,
        # A segment on a user asks that user's shard alone.
        "optimize_skip_unused_shards": 1,
        # What a user's rows say is computed where they are.
        "optimize_distributed_group_by_sharding_key": 1,
    }


def shared(statement: str) -> str:
    """CREATE TABLE of one table that all servers have alike."""
    if not settings.CLICKHOUSE_CLUSTER:
        return statement
    return _replicated(_TABLE.sub(lambda it: it[0] + on(), statement), _EVERYWHERE)


def statements(statement: str) -> list[str]:
    """What a statement of `schema/*.sql` is on a cluster; itself where there is none.

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
        raise UnknownStatement(f"has no form for a cluster: {statement}")
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
    """The database by its name: what currentDatabase() is on other servers is theirs to say."""
    place = f"{settings.CLICKHOUSE_CLUSTER}, {{database:String}}, {local(table)}"
    return (
        f"CREATE TABLE IF NOT EXISTS {table}{on()} AS {local(table)}\n"
        f"ENGINE = Distributed({place}, {_SHARDED_BY.get(table, _BY_USER)})"
    )
