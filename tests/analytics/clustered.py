"""A cluster as far as one process can be one: shards that are all itself, behind Distributed.

The engine of the tests speaks to no other server. It takes two shards of its own address for two
servers, though, plans and merges as for any others, and tells each part of a query its shard's
number: with `APART` each shard sees the users alone that a cluster would have put there. What it
lacks are the queue of ON CLUSTER, and an address for replicas, without which Replicated tables can
be made but not written to; `said_to_one` leaves both out. Nor does it listen: what goes to itself
must not take the way through the network (`at`).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from analytics import clickhouse, cluster
from analytics.maintenance.migrate import SchemaFile
from analytics.schema import SCHEMA_DIR
from embedded.ports import pick_free
from tests import clickhouse as engine
from tests.clickhouse import apply_schema
from tests.embedded.gateway import Gateway

# Where rows are stored, where all of them are asked for, where two shards and where half are.
STORED, SPREAD, HALF = "stored", "spread", "half"
TABLES = (
    *("events", "daily_events", "daily_users", "daily_users_by_type"),
    *("weekly_users", "weekly_users_by_type", "users"),
)
# Counts have no user; any division of them must do.
_SHARD_OF = {"daily_events": "1 + events % 2"}
APART = {
    f"{STORED}.{table}_local": f"shardNum() = {_SHARD_OF.get(table, '1 + user_hash % 2')}"
    for table in TABLES
}
OPTIONS = cluster.options
# `nobody` listens on port 1.
_SHARDS = {
    "one": [["127.0.0.1"]],
    "pair": [["127.0.0.1", "localhost"]],
    "two": [["127.0.0.1"], ["localhost"]],
    "half": [["127.0.0.1"], ["nobody"]],
    "half_a_shard": [["127.0.0.1", "nobody"]],
    "three_replicas": [["127.0.0.1", "localhost", "127.0.0.2"]],
}


def start(folder: Path, *, more: str = "", replica: int = 1) -> Gateway:
    """A gateway whose engine knows these clusters, and `more` of a configuration."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.xml"
    macros = f"<macros><shard>1</shard><replica>{replica}</replica></macros>"
    file.write_text(_configuration(pick_free(), macros + more))
    gateway = Gateway(folder / "data")
    gateway.start("--config", str(file))
    return gateway


def _configuration(port: int, more: str) -> str:
    clusters = "".join(
        f"<{name}>{''.join(_shard(replicas, port) for replicas in shards)}</{name}>"
        for name, shards in _SHARDS.items()
    )
    return (
        f"<clickhouse><tcp_port>{port}</tcp_port>{more}"
        f"<remote_servers>{clusters}</remote_servers></clickhouse>"
    )


def _shard(replicas: list[str], port: int) -> str:
    text = "".join(
        "<replica><host>127.0.0.1</host><port>1</port></replica>"
        if host == "nobody"
        else f"<replica><host>{host}</host><port>{port}</port></replica>"
        for host in replicas
    )
    return f"<shard><internal_replication>true</internal_replication>{text}</shard>"


def said_to_one(sql: str) -> str:
    sql = re.sub(r" ON CLUSTER \w+", "", sql)
    sql = re.sub(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?", r"\1(", sql)
    return re.sub(
        r"\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = \d+",
        r"non_replicated_deduplication_window = \1",
        sql,
    )


@contextmanager
def schema(gateway: Gateway) -> Iterator[None]:
    """Our tables in STORED, and those in front of them in SPREAD and HALF."""
    with rewritten(said_to_one):
        # Both replicas of a pair are this server, and would take each row twice.
        with at(gateway, STORED, "one"), patch.object(cluster, "REPLICAS", 1):
            apply_schema()
        for database, shards in ((SPREAD, "two"), (HALF, "half")):
            with at(gateway, database, shards):
                clickhouse.command_server(f"CREATE DATABASE IF NOT EXISTS {database}")
                for sql in distributed():
                    engine.command(sql, parameters={"database": STORED})
        yield


@contextmanager
def rewritten(how: Callable[[str], str]) -> Iterator[None]:
    """Each command is what `how` makes of it; none if that is empty."""
    real = clickhouse._command

    def command(sql: str, *rest: Any) -> None:
        if sql := how(sql):
            real(sql, *rest)

    with patch.object(clickhouse, "_command", command):
        yield


def distributed() -> list[str]:
    """The tables in front of those in STORED, for another database."""
    files = [SchemaFile(it.name, it.read_text()) for it in SCHEMA_DIR.glob("*.sql")]
    made = [sql for file in files for it in file.statements for sql in cluster.statements(it)]
    fronts = [sql for sql in made if "ENGINE = Distributed" in sql]
    return [re.sub(r" AS (\w+_local)", rf" AS {STORED}.\1", sql) for sql in fronts]


@contextmanager
def at(gateway: Gateway, database: str, shards: str) -> Iterator[None]:
    url = f"http://default@127.0.0.1:{gateway.port}/{database}"
    with (
        override_settings(CLICKHOUSE_URL=url, CLICKHOUSE_CLUSTER=shards),
        patch.object(cluster, "options", _options_within),
    ):
        yield


def _options_within(**given: Any) -> dict[str, Any]:
    options = OPTIONS(**given)
    return {**options, "prefer_localhost_replica": 1} if options else options


@contextmanager
def spread(gateway: Gateway, *, filters: dict[str, str] = APART) -> Iterator[None]:
    """Queries are answered by two shards, each of which has the users of its number."""
    quoted = ", ".join(f"'{table}': '{rows}'" for table, rows in filters.items())
    seen = {"additional_table_filters": f"{{{quoted}}}"}
    query = clickhouse.query

    def query_shards(sql: str, **given: Any) -> list[list[Any]]:
        return query(sql, **{**given, "options": {**(given.get("options") or {}), **seen}})

    with at(gateway, SPREAD, "two"), patch.object(clickhouse, "query", query_shards):
        yield
