"""Statements as a cluster has them, and clusters that are refused."""

import pytest
from django.test import override_settings

from analytics import cluster
from analytics.maintenance.migrate import SchemaFile, WrongCluster
from analytics.schema import SCHEMA_DIR
from tests import clickhouse as engine
from tests.analytics import clustered
from tests.clickhouse import apply_schema
from tests.embedded.gateway import Gateway

FILES = [SchemaFile(it.name, it.read_text()) for it in sorted(SCHEMA_DIR.glob("*.sql"))]
STATEMENTS = [(file.name, n, it) for file in FILES for n, it in enumerate(file.statements)]


def test_a_shard_is_read_from_one_replica_whichever_server_is_asked() -> None:
    with override_settings(CLICKHOUSE_CLUSTER="one"):
        options = cluster.options()
    assert options["load_balancing"] == "in_order"
    assert options["prefer_localhost_replica"] == options["use_hedged_requests"] == 0


def test_the_database_of_one_server_is_refused(gateway: Gateway) -> None:
    """As which `said_to_one` has made it."""
    with (
        clustered.at(gateway, clustered.STORED, "pair"),
        pytest.raises(WrongCluster, match="made for one server"),
    ):
        apply_schema()


@pytest.mark.parametrize("shards", ["one", "three_replicas"])
def test_any_but_two_replicas_a_shard_are_refused(gateway: Gateway, shards: str) -> None:
    with (
        clustered.at(gateway, clustered.STORED, shards),
        pytest.raises(WrongCluster, match=f"shard 1 of {shards} needs two replicas"),
    ):
        apply_schema()


@pytest.mark.parametrize(("name", "number", "statement"), STATEMENTS)
def test_each_statement_has_a_form_that_the_engine_reads(
    stored: None, name: str, number: int, statement: str
) -> None:
    said = cluster.statements(statement)
    assert len(said) == (0 if "Buffer" in statement else 1 if "VIEW" in statement else 2)
    for sql in said:
        assert " ON CLUSTER one" in sql
        literal = sql.replace("{database:String}", "'events'")
        [[formatted]] = engine.query(
            "SELECT formatQuery({sql:String})", parameters={"sql": literal}
        )
        assert "ON CLUSTER one" in formatted


def test_without_a_cluster_a_statement_is_what_it_was() -> None:
    for _, _, statement in STATEMENTS:
        assert cluster.statements(statement) == [statement]
    assert cluster.on() == ""
    assert cluster.local("events") == cluster.into("events") == "events"
    assert cluster.options() == {}


def test_a_statement_without_a_form_for_a_cluster_stops_the_migration() -> None:
    with override_settings(CLICKHOUSE_CLUSTER="one"), pytest.raises(cluster.UnknownStatement):
        cluster.statements("ALTER TABLE events ADD COLUMN x UInt8")
