"""The cluster's tables are made by the engine in a real ZooKeeper, which stands in for Keeper.

Rows can't be written to them here: for that a replica has to have an address that others fetch
from, which the engine in one process has not.
"""

import re
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from analytics import clickhouse, cluster
from analytics.maintenance import rebuild
from analytics.maintenance.migrate import WrongCluster
from analytics.schema import SCHEMA_DIR
from embedded.ports import HOST, pick_free
from embedded.supervision.processes import Process, Program
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests import documents
from tests.analytics import clustered
from tests.clickhouse import apply_schema

JARS = Path("/usr/share/java")
pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(
        not (shutil.which("java") and (JARS / "zookeeper.jar").exists()),
        reason="ZooKeeper is not installed (apt-get install zookeeper)",
    ),
]
NEW_TABLE = re.compile(r"(CREATE TABLE (?:IF NOT EXISTS )?\w+) ON CLUSTER \w+")
DATABASE = "replicated"
SCALING = documents.DOCS / "scaling.md"


def program(folder: Path) -> Program:
    port = pick_free()
    file = folder / "zoo.cfg"
    file.write_text(
        f"tickTime=2000\ndataDir={folder}\nclientPort={port}\nclientPortAddress={HOST}\n"
        "admin.enableServer=false\n4lw.commands.whitelist=ruok\n"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return Program(
        name="zookeeper",
        command=["java", "-Xmx128m", "-cp", f"{JARS}/*", main, str(file)],
        url=f"{HOST}:{port}",
        ready=lambda: _says_ok(port),
        folder=folder,
    )


def _says_ok(port: int) -> bool:
    try:
        with closing(socket.create_connection((HOST, port), timeout=1)) as connection:
            connection.sendall(b"ruok")
            return connection.recv(4) == b"imok"
    except OSError:
        return False


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Process(program(tmp_path_factory.mktemp("zookeeper"))) as zookeeper:
        yield zookeeper.program.url


@contextmanager
def server(folder: Path, keeper: str, replica: int) -> Iterator[None]:
    host, _, port = keeper.partition(":")
    node = f"<zookeeper><node><host>{host}</host><port>{port}</port></node></zookeeper>"
    gateway = clustered.start(folder, more=node, replica=replica)
    try:
        with clustered.at(gateway, DATABASE, "pair"):
            yield
    finally:
        gateway.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, keeper: str) -> Iterator[list[str]]:
    """The names of the files that were applied to an empty cluster."""
    with server(tmp_path_factory.mktemp("first"), keeper, replica=1), patched():
        yield apply_schema()


def patched() -> Any:
    """ON CLUSTER gives all servers a table of one UUID; without it the statement names one.
    Nor are records of what was applied written.
    """

    def here(sql: str) -> str:
        sql = NEW_TABLE.sub(lambda it: f"{it[1]} UUID '{uuid.uuid4()}'", sql)
        return "" if sql.startswith("INSERT") else re.sub(r" ON CLUSTER \w+", "", sql)

    return clustered.rewritten(here)


def paths() -> dict[str, str]:
    rows = engine.query("SELECT table, zookeeper_path FROM system.replicas")
    return dict(rows)


def test_every_table_of_rows_is_replicated_within_its_shard(made: list[str]) -> None:
    assert made == [path.name for path in sorted(SCHEMA_DIR.glob("*.sql"))]
    rows = engine.query(
        "SELECT name, engine FROM system.tables WHERE database = currentDatabase()"
        " AND engine LIKE '%MergeTree'"
    )
    assert {name for name, _ in rows} == {"schema_files"} | {
        f"{table}_local" for table in clustered.TABLES
    }
    assert all(engine.startswith("Replicated") for _, engine in rows)
    assert paths()["schema_files"].endswith("/all")
    assert all(path.endswith("/1") for table, path in paths().items() if table != "schema_files")


def test_a_table_that_takes_anothers_place_keeps_its_own_path(made: list[str]) -> None:
    """Or a second rebuild would find the first one's path taken."""
    texts = {"new": "daily_users_rebuilt_local", "old": "daily_users_local"}
    texts["on cluster"] = cluster.on()
    for _ in range(2):
        before = paths()["daily_users_local"]
        for name in ("rebuild_table", "rebuild_exchange", "rebuild_drop_table"):
            rebuild.run(name, DEFAULT, texts)
        assert paths()["daily_users_local"] != before
    assert "daily_users_rebuilt_local" not in paths()


def test_a_replacement_takes_its_place_beside_its_twin(
    made: list[str], keeper: str, tmp_path: Path
) -> None:
    """By what the documents say to ask the twin for."""
    command = re.search(r"`(SELECT create_table_query .*?)`", SCALING.read_text())
    assert command
    asked = command[1].replace("events_cluster", DATABASE)
    tables, twins = [sql for (sql,) in engine.query(asked)], paths()
    with server(tmp_path / "second", keeper, replica=2):
        clickhouse.command_server(f"CREATE DATABASE {DATABASE}")
        for sql in tables:
            engine.command(sql)
        assert paths() == twins
        replicas = engine.query("SELECT DISTINCT replica_name FROM system.replicas")
        assert sorted(replicas) == [["1-2"], ["2"]]


def test_the_database_of_a_cluster_is_refused_without_one(made: list[str]) -> None:
    with (
        override_settings(CLICKHOUSE_CLUSTER=""),
        pytest.raises(WrongCluster, match="made for a cluster"),
    ):
        apply_schema()
