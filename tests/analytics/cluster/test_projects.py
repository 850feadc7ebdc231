"""The projects of a cluster: each has its own database on every server."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest

from analytics import clickhouse, cluster, export
from analytics.maintenance import daily_counts, inventory, rebuild
from analytics.maintenance.migrate import drop_database
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import clustered
from tests.analytics.cluster.came import CAME, DAY
from tests.analytics.comparison import Question, compare_answers, deliver
from tests.clickhouse import apply_schema
from tests.samples import event, framed

OTHER = 2


@pytest.fixture
def other(stored: None) -> Iterator[int]:
    """Another project on the cluster, without events."""
    # Both replicas of a pair would be this server.
    with patch.object(cluster, "REPLICAS", 1):
        apply_schema(project=OTHER)
    yield OTHER
    drop_database(project=OTHER)


def test_the_tables_of_a_project_lead_to_no_other(other: int) -> None:
    own = f"{clustered.STORED}_{other}"
    tables = engine.query(
        "SELECT name, create_table_query, engine FROM system.tables"
        " WHERE database = currentDatabase()",
        project=other,
    )
    assert len(tables) == 21
    for name, sql, kind in tables:
        assert set(re.findall(rf"\b{clustered.STORED}\w*", sql)) == {own}, name
        assert kind != "Distributed" or f"Distributed('one', '{own}', '{name}_local'" in sql


def test_projects_on_a_cluster_see_their_own_events_alone(other: int) -> None:
    first, second = (event(**it) for it in CAME)
    engine.insert_block(token="one", body=framed([first]))
    engine.insert_block(project=other, token="one", body=framed([second]))
    ids, days = [first["event_id"], second["event_id"]], {"start": DAY, "end": date(2025, 1, 7)}
    for project, here in ((DEFAULT, first), (other, second)):
        there = {here["event_id"]: 1}
        assert inventory.copies(project=project, ids=ids, **days) == there
        [block] = export.events(project=project)
        assert list(block.event_id) == list(there)
        assert daily_counts.unlike(project=project, zone="UTC", **days) == {}
        question = Question((), days["start"], days["end"], 5, DAY, 1, date(2025, 1, 13))
        sent = [it for it in CAME if it["user_id"] == here["user_id"]]
        compare_answers(sent, question, project=project)


def test_a_rollup_on_a_cluster_is_rebuilt_from_its_projects_events(other: int) -> None:
    deliver(CAME[:1], blocks=1)
    deliver(CAME, blocks=1, project=other)
    for table in rebuild.ALL:
        engine.command(f"TRUNCATE TABLE {table}_local")
        engine.command(f"TRUNCATE TABLE {table}_local", project=other)
        rebuild.rebuild(table, project=other, start=inventory.FIRST_DAY, end=inventory.LAST_DAY)
        assert engine.query(f"SELECT count() FROM {table}") == [[0]], table
        assert engine.query(f"SELECT count() FROM {table}", project=other) == [[2]], table


def test_a_database_is_dropped_on_every_server(other: int) -> None:
    said: list[str] = []

    def heard(sql: str) -> str:
        said.append(sql)
        return sql

    with clustered.rewritten(heard):
        drop_database(project=other)
    assert said == ["DROP DATABASE IF EXISTS {name:Identifier} ON CLUSTER one SYNC"]
    assert engine.query("SELECT 1") == [[1]]
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        engine.query("SELECT 1", project=other)


def test_a_server_that_keeps_large_tables_from_being_dropped_drops_the_database(
    tmp_path: Path,
) -> None:
    """By default, tables of more than 50 GB."""
    gateway = clustered.start(tmp_path, more="<max_table_size_to_drop>1</max_table_size_to_drop>")
    try:
        with clustered.at(gateway, "small", ""):
            apply_schema(project=OTHER)
            deliver(CAME, blocks=1, project=OTHER)
            with pytest.raises(clickhouse.ClickHouseError, match="was not dropped"):
                engine.command("DROP TABLE events SYNC", project=OTHER)
            drop_database(project=OTHER)
            with pytest.raises(clickhouse.ClickHouseUnavailable):
                engine.query("SELECT 1", project=OTHER)
    finally:
        gateway.stop()
