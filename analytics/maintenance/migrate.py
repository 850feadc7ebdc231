"""Brings a project's database to the schema of `schema/*.sql`, and drops a database.

Each database records which files were applied to it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from analytics import clickhouse, cluster, inserting
from analytics.queries import load
from analytics.schema import SCHEMA_DIR
from analytics.zones import UTC, in_zone
from projects.models import DEFAULT

RECORDS = """
CREATE TABLE IF NOT EXISTS schema_files
(name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY name
"""
# The first version with json_type_escape_dots_in_keys, which every insert needs. The schema, an
# insert and the reports' queries were run on the engine of 25.8.2. The engine of 25.5.2 refuses
# the insert.
OLDEST = (25, 8)
_VERSION = re.compile(r"(\d+)\.(\d+)")
# A semicolon at the end of a line ends a statement.
_STATEMENT_END = re.compile(r";[ \t]*$", re.MULTILINE)


class SchemaChanged(Exception):
    """A file was changed after it was applied, so the server's schema differs from the file."""


class ServerTooOld(Exception):
    """ClickHouse lacks what the service needs."""


class WrongCluster(Exception):
    """CLICKHOUSE_CLUSTER does not fit the servers or the tables that exist."""


@dataclass(frozen=True)
class SchemaFile:
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        return [part.strip() for part in _STATEMENT_END.split(self.text) if part.strip()]


def apply_schema(*, project: int, zone: str = UTC, directory: Path = SCHEMA_DIR) -> list[str]:
    """Creates a project's database if needed and applies, in order, the files without a record.

    Rollups of these files will hold days of `zone`, whose name was checked. Returns the names of
    the files applied now. Every statement must be able to run twice
    (`IF NOT EXISTS`). Then an interrupted run can be repeated, and two runs at once do no harm.
    Raises ServerTooOld, SchemaChanged and WrongCluster before anything is applied, and
    ClickHouseError.
    """
    _check_version(clickhouse.server_version())
    clickhouse.command_server(
        f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}}{cluster.on()}",
        parameters={"name": _name(project)},
    )
    _check_cluster()
    _check_records(project)
    clickhouse.command(cluster.shared(RECORDS), project=project)
    applied = _applied(project)
    files = [SchemaFile(path.name, path.read_text()) for path in sorted(directory.glob("*.sql"))]
    for file in files:
        if applied.get(file.name, file.sha256) != file.sha256:
            raise SchemaChanged(
                f"{file.name} was changed after it was applied: restore it and put the change into "
                "a new file"
            )
    fresh = [file for file in files if file.name not in applied]
    for file in fresh:
        _apply(project, zone, file)
    return [file.name for file in fresh]


def database_exists(*, project: int) -> bool:
    """Whether ClickHouse has a database of that project. Raises ClickHouseError."""
    rows = clickhouse.query_server(
        "SELECT 1 FROM system.databases WHERE name = {name:String}",
        parameters={"name": str(_name(project))},
    )
    return bool(rows)


def drop_database(*, project: int) -> None:
    """Drops the project's database with everything in it, on all servers; safe to repeat.

    Returns when the files are gone too. Raises ValueError for the default project, whose database
    CLICKHOUSE_URL names, and ClickHouseError.
    """
    if project == DEFAULT:
        raise ValueError("the database of the default project can't be dropped")
    inserting.forget_schema(project=project)
    clickhouse.command_server(
        f"DROP DATABASE IF EXISTS {{name:Identifier}}{cluster.on()} SYNC",
        parameters={"name": _name(project)},
        # By default a server keeps tables of more than 50 GB from being dropped by mistake.
        options={"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0},
        seconds=clickhouse.SILENCE_SECONDS,
    )


def _name(project: int) -> clickhouse.Identifier:
    return clickhouse.Identifier(clickhouse.database(project=project))


def _applied(project: int) -> dict[str, str]:
    return dict(clickhouse.query("SELECT name, sha256 FROM schema_files FINAL", project=project))


def _check_version(found: str) -> None:
    numbers = _VERSION.match(found)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise ServerTooOld(
            f"ClickHouse {needed} or newer is needed; nothing was changed. This is {found}."
        )


def _check_cluster() -> None:
    """Raises WrongCluster unless each shard has two replicas and internal_replication.

    With one replica no insert would be confirmed. With three, one replica might lack a confirmed
    insert. Without internal_replication, inserts would go to each replica separately and not be
    replicated. Raises ServerTooOld if a server is too old.
    """
    name = settings.CLICKHOUSE_CLUSTER
    sql = load("cluster_shards")
    rows = clickhouse.query_server(sql, parameters={"cluster": name}) if name else []
    for shard, replicas, internal in rows:
        if replicas != cluster.REPLICAS or not internal:
            raise WrongCluster(
                f"shard {shard} of {name} needs two replicas and internal_replication"
            )
    servers = cluster.every_server("system.one")
    for (version,) in clickhouse.query_server(
        load("cluster_versions").replace("/*every server*/", servers)
    ):
        _check_version(version)


def _check_records(project: int) -> None:
    """Raises WrongCluster if the database was made for a cluster and there is none, or vice versa.

    The tables of one server stay on it: a cluster needs a database of its own.
    """
    found = clickhouse.query(load("cluster_records"), project=project)
    if found and bool(found[0][0]) != bool(settings.CLICKHOUSE_CLUSTER):
        whose = "a cluster" if found[0][0] else "one server"
        raise WrongCluster(
            f"the database {_name(project)} was made for {whose}: correct "
            "CLICKHOUSE_CLUSTER, or name another database in CLICKHOUSE_URL"
        )


def _apply(project: int, zone: str, file: SchemaFile) -> None:
    for statement in file.statements:
        for sql in cluster.statements(in_zone(statement, zone)):
            names = {"database": str(_name(project))} if "{database:String}" in sql else None
            clickhouse.command(sql, project=project, parameters=names)
    clickhouse.command(
        "INSERT INTO schema_files (name, sha256) SELECT {name:String}, {sha256:String}",
        project=project,
        parameters={"name": file.name, "sha256": file.sha256},
    )
