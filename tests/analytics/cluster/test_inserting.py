"""Blocks are on every replica of their shards before they are confirmed."""

import uuid
from datetime import date
from typing import Any

import pytest
from django.test import override_settings

from analytics import clickhouse, inserting
from analytics.maintenance import daily_counts, inventory
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import clustered
from tests.analytics.cluster.came import CAME, DAY
from tests.embedded.gateway import Gateway
from tests.samples import event, framed


def test_a_block_is_not_confirmed_if_a_shard_takes_no_part_of_it(
    gateway: Gateway, stored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, token = framed([event(**it) for it in CAME]), str(uuid.uuid4())
    with clustered.at(gateway, clustered.HALF, "half"):
        monkeypatch.setattr(inserting, "_require_schema", lambda _: None)
        for _ in range(2):
            with pytest.raises(clickhouse.ClickHouseUnavailable):
                engine.insert_block(token=token, body=body)
    for _ in range(2):
        engine.insert_block(token=token, body=body)
    assert inventory.counts(project=DEFAULT, start=DAY, end=date(2025, 1, 7)) == {
        DAY: 1,
        date(2025, 1, 7): 1,
    }
    assert daily_counts.unlike(project=DEFAULT, zone="UTC", start=DAY, end=date(2025, 1, 7)) == {}


@pytest.mark.parametrize("replica", [1, 2])
def test_what_one_replica_alone_has_has_arrived(
    gateway: Gateway, stored: None, monkeypatch: pytest.MonkeyPatch, replica: int
) -> None:
    """Or its block would be sent under a second token, and be there twice once it is copied."""
    sent = [event(**it) for it in CAME]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    ids = [it["event_id"] for it in sent]
    query = clickhouse.query

    def query_lagging(sql: str, **given: Any) -> list[list[Any]]:
        seen = f"{{'stored.events_local': 'shardNum() = {replica}'}}"
        options = {**given["options"], "additional_table_filters": seen}
        return query(sql, **{**given, "options": options})

    with clustered.at(gateway, clustered.STORED, "pair"):
        assert inventory.copies(project=DEFAULT, ids=ids, start=DAY, end=DAY) == {ids[0]: 1}
        monkeypatch.setattr(clickhouse, "query", query_lagging)
        assert inventory.copies(project=DEFAULT, ids=ids, start=DAY, end=DAY) == {ids[0]: 1}


def test_nothing_has_arrived_or_not_while_a_replica_can_not_say(
    gateway: Gateway, stored: None
) -> None:
    with (
        clustered.at(gateway, clustered.STORED, "half_a_shard"),
        pytest.raises(clickhouse.ClickHouseUnavailable),
    ):
        inventory.copies(project=DEFAULT, ids=[str(uuid.uuid4())], start=DAY, end=DAY)


def test_an_insert_waits_for_both_replicas_and_for_less_than_its_time() -> None:
    with override_settings(CLICKHOUSE_CLUSTER="one", CLICKHOUSE_INSERT_TIMEOUT_SECONDS=60):
        options = inserting.options_for("token")
    assert options["insert_quorum"] == 2
    assert options["insert_quorum_timeout"] <= options["max_execution_time"] * 1000 / 2
