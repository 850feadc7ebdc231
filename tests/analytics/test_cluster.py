"""On a cluster every event is there once and every report says what the oracle says."""

import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import clickhouse, cluster, export, inserting, reports
from analytics.funnels.question import ORDERS
from analytics.maintenance import daily_counts, inventory, rebuild, surplus
from analytics.maintenance.migrate import SchemaFile, WrongCluster, drop_database
from analytics.people import timeline
from analytics.schema import SCHEMA_DIR
from analytics.segments.parsing import parse_field, parse_segments
from analytics.zones import Zone
from events.auditing.rollups import rebuild_rollups
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests import documents
from tests.analytics import clustered, written
from tests.analytics.cohorts import test_counted_by_hand as by_hand
from tests.analytics.cohorts.counted import Asked
from tests.analytics.comparison import OWN, Question, compare_answers, deliver
from tests.analytics.funnels import test_counted_by_hand as funnels
from tests.analytics.histories import ASKED_FOR, SPANS, History, events, histories, made_up
from tests.analytics.oracle import Event
from tests.analytics.people import test_counted_by_hand as people
from tests.clickhouse import apply_schema
from tests.embedded.gateway import Gateway
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

SCALING = documents.DOCS / "scaling.md"
DAY = date(2025, 1, 6)
OTHER = 2
CAME = written.came("u1", "2025-01-06T12:00:00.000Z") + written.came("u2", "2025-01-07T12:00:00Z")
FILES = [SchemaFile(it.name, it.read_text()) for it in sorted(SCHEMA_DIR.glob("*.sql"))]
STATEMENTS = [(file.name, n, it) for file in FILES for n, it in enumerate(file.statements)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = clustered.start(tmp_path_factory.mktemp("cluster"))
    with clustered.schema(running):
        yield running
    running.stop()


@pytest.fixture
def stored(gateway: Gateway) -> Iterator[None]:
    """The service on the cluster, its tables empty."""
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        yield


def compare(gateway: Gateway, history: History, **how: dict[str, str]) -> None:
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(history.events, blocks=history.blocks)
    with clustered.spread(gateway, **how):
        for question in history.questions:
            compare_answers(history.events, question)


@pytest.mark.parametrize("name", ["WEEKS", "DAYS", "HALVES", "LAST_BIT", "YEARS_APART", "NOTHING"])
def test_two_shards_answer_a_written_history_as_counted_by_hand(
    gateway: Gateway, name: str
) -> None:
    compare(gateway, getattr(written, name))


@settings(made_up, max_examples=(ASKED_FOR or 40) // 4)
@given(history=histories())
def test_two_shards_answer_any_history_as_the_oracle_does(
    gateway: Gateway, history: History
) -> None:
    compare(gateway, history)


@settings(made_up, max_examples=(ASKED_FOR or 16) // 4)
@given(
    sent=st.lists(events(SPANS), min_size=10, max_size=40),
    questions=st.lists(by_hand.asked(SPANS, "UTC"), min_size=2, max_size=4),
)
def test_two_shards_answer_any_table_of_cohorts_as_sets_do(
    gateway: Gateway, sent: list[Event], questions: list[Asked]
) -> None:
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(sent, blocks=2)
    with clustered.spread(gateway):
        for question in questions:
            for zone in (OWN, Zone("UTC")):
                by_hand.assert_as_counted(sent, question, zone)


def test_two_shards_answer_funnels_and_list_their_people_as_one_does(gateway: Gateway) -> None:
    rng = random.Random(5)
    events = list(funnels.history(rng, 60))
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(events, blocks=2)
    with clustered.spread(gateway):
        for order in ORDERS:
            question, asked, chosen = funnels.any_question(rng, order, events)
            question = replace(question, by=parse_field("properties.plan"), top=1)
            funnels.compare(rng, question, asked, chosen, every_line=True)


@pytest.mark.parametrize("table", ["daily_users", "weekly_users", "events", "daily_events"])
def test_rows_that_both_shards_have_are_noticed(gateway: Gateway, table: str) -> None:
    others = {key: it for key, it in clustered.APART.items() if key != f"stored.{table}_local"}
    with pytest.raises(AssertionError, match=r"assert .* == "):
        compare(gateway, written.WEEKS, filters=others)


def test_users_that_are_spread_over_shards_are_noticed(gateway: Gateway) -> None:
    """Which is what sharding by user is for."""
    rows = {"stored.weekly_users_local": "shardNum() = 1 + epoch % 2"}
    with pytest.raises(AssertionError, match=r"assert .* == "):
        compare(gateway, written.YEARS_APART, filters={**clustered.APART, **rows})


def test_a_segment_on_a_user_asks_that_users_shard_alone(gateway: Gateway, stored: None) -> None:
    deliver(CAME, blocks=1)
    sql = "SELECT count() FROM events WHERE user_hash = sipHash64({user:String})"
    with clustered.spread(gateway):
        for user in ("u1", "u2", "u3"):
            [[found]] = engine.query(
                sql,
                parameters={"user": user},
                options={"force_optimize_skip_unused_shards": 2},  # fails if it can't
            )
            assert found == (user != "u3")


@pytest.mark.parametrize(
    ("segment", "users"), [("did(buy)", 1), ("did(buy,n>=2)", 0), ("didnot(buy,n>=2)", 1)]
)
def test_each_shard_looks_for_users_who_did_something_among_its_own(
    gateway: Gateway, stored: None, segment: str, users: int
) -> None:
    deliver(CAME, blocks=1)
    asked: dict[str, Any] = {"project": DEFAULT, "start": DAY, "end": date(2025, 1, 7)}
    asked["segments"] = parse_segments([segment])
    with clustered.spread(gateway):
        found = reports.daily_active_users(zone=OWN, **asked)
        types = reports.top_events(zone=OWN, limit=5, **asked)
    assert [row.unique_users for row in found] == [users, users]
    assert [row.events for row in types] == [2] * users


@pytest.mark.parametrize("segments", [(), ("event_type:buy",), ("properties.plan:42",)])
def test_people_of_two_shards_are_listed_as_if_one_had_them(
    gateway: Gateway, stored: None, segments: tuple[str, ...]
) -> None:
    events = [
        {
            "occurred_at": f"2025-01-{n % 9 + 1:02}T12:00:00.{n % 5:03}Z",
            "user_id": f"u{n % 7}",
            "event_type": ("view", "buy")[n % 2],
            "properties": {"plan": (42, 43, "42")[n % 3]},
        }
        for n in range(60)
    ]
    deliver(events, blocks=3)
    asked = Question(segments, DAY, date(2025, 1, 8), 5, DAY, 1, DAY)
    with clustered.spread(gateway):
        for prefix, limit in (("", 2), ("u3", 1), ("", 50)):
            by_hand = people.found_by_hand(events, asked, prefix, "UTC")
            assert people.found(asked, prefix, limit, OWN) == by_hand
        for user in ("u1", "u2"):
            own = [it for it in events if it["user_id"] == user]
            people.assert_told(user, own)
            assert_timeline(user, own)


def assert_timeline(user: str, events: list[dict[str, Any]]) -> None:
    """The pages of ClickHouse's part, of three events each."""
    at, event_id, shown = None, "", list[str]()
    while True:
        page = timeline.events_before(
            user, project=DEFAULT, at=at, event_id=event_id, limit=3, most_bytes=1_000
        )
        shown += [it.occurred_at for it in page.events]
        if not page.more:
            break
        at, event_id = (
            datetime.fromisoformat(page.events[-1].occurred_at),
            page.events[-1].event_id,
        )
    assert shown == sorted((it["occurred_at"] for it in events), reverse=True)


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


@pytest.mark.parametrize("table", rebuild.ALL)
def test_a_rollup_is_rebuilt_from_what_all_shards_have(
    gateway: Gateway, stored: None, table: str
) -> None:
    deliver(written.WEEKS.events, blocks=2)
    engine.command(f"TRUNCATE TABLE {table}_local")
    rebuild.rebuild(table, project=DEFAULT, start=inventory.FIRST_DAY, end=inventory.LAST_DAY)
    with clustered.spread(gateway):
        for question in written.WEEKS.questions:
            compare_answers(written.WEEKS.events, question)
    assert engine.query("SELECT name FROM system.tables WHERE name LIKE '%rebuilt%'") == []


def test_days_that_are_not_rebuilt_are_kept(stored: None) -> None:
    deliver(CAME, blocks=1)
    engine.command("TRUNCATE TABLE events_local")
    rebuild.rebuild("daily_users", project=DEFAULT, start=DAY, end=DAY)
    assert engine.query("SELECT day, count() FROM daily_users GROUP BY day") == [["2025-01-07", 1]]


def test_surplus_copies_go_and_are_not_counted(stored: None) -> None:
    sent = [event(**it) for it in CAME]
    for _ in range(2):
        engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    ids = [it["event_id"] for it in sent]
    assert surplus.remove(project=DEFAULT, zone="UTC", ids=ids) == []
    assert inventory.copies(
        project=DEFAULT, ids=ids, start=DAY, end=date(2025, 1, 7)
    ) == dict.fromkeys(ids, 1)
    assert engine.query("SELECT sum(events) FROM daily_events") == [[2]]


def test_a_row_at_the_place_of_another_shards_copy_stays(stored: None) -> None:
    """Parts of two shards may have the same name, and a deletion is carried out on both."""
    deliver(CAME[:1], blocks=1)
    [[part, offset]] = engine.query("SELECT _part, _part_offset FROM events")
    elsewhere = surplus._Copy("", 1, part, offset, "2025-01-06", "buy", "")
    surplus._delete(DEFAULT, [elsewhere])
    assert engine.query("SELECT count() FROM events") == [[1]]


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


def test_a_shard_is_read_from_one_replica_whichever_server_is_asked() -> None:
    with override_settings(CLICKHOUSE_CLUSTER="one"):
        options = cluster.options()
    assert options["load_balancing"] == "in_order"
    assert options["prefer_localhost_replica"] == options["use_hedged_requests"] == 0


def test_an_export_has_the_events_of_all_shards(stored: None) -> None:
    sent = [event(**it) for it in CAME]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    exported = {event_id for block in export.events(project=DEFAULT) for event_id in block.event_id}
    assert exported == {it["event_id"] for it in sent}


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


@pytest.mark.parametrize("table", rebuild.ALL)
def test_a_rollup_on_a_cluster_is_rebuilt_from_its_projects_events(other: int, table: str) -> None:
    deliver(CAME[:1], blocks=1)
    deliver(CAME, blocks=1, project=other)
    engine.command(f"TRUNCATE TABLE {table}_local")
    engine.command(f"TRUNCATE TABLE {table}_local", project=other)
    rebuild.rebuild(table, project=other, start=inventory.FIRST_DAY, end=inventory.LAST_DAY)
    assert engine.query(f"SELECT count() FROM {table}") == [[0]]
    assert engine.query(f"SELECT count() FROM {table}", project=other) == [[2]]


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


def test_one_servers_history_moves_as_the_documents_say(gateway: Gateway, stored: None) -> None:
    [sql] = re.findall(r"`(INSERT INTO events \(.*?)`", SCALING.read_text())
    dated = [{**it, "properties": {"plan": "2025-01-01", "a.b": 42}} for it in CAME]
    with clustered.at(gateway, "events", ""):
        apply_schema()
        empty_clickhouse()
        deliver(dated, blocks=1)
        expected = engine.query("SELECT * FROM events ORDER BY occurred_at")
    engine.command(sql.replace("202601", "202501"))
    assert engine.query("SELECT * FROM events ORDER BY occurred_at") == expected != []
    assert daily_counts.unlike(project=DEFAULT, zone="UTC", start=DAY, end=date(2025, 1, 7)) == {}
    [found] = reports.top_events(
        project=DEFAULT,
        zone=OWN,
        start=DAY,
        end=DAY,
        limit=5,
        segments=parse_segments(["properties.plan:2025-01-01"]),
    )
    assert found.events == 1


@pytest.mark.django_db
def test_a_month_that_was_cut_off_moves_again_as_the_documents_say(
    gateway: Gateway, stored: None
) -> None:
    insert, drop = (
        re.findall(rf"`({start}.*?)`", SCALING.read_text())[0].replace("202601", "202501")
        for start in (r"INSERT INTO events \(", "ALTER TABLE events_local ON")
    )
    end = date(2025, 1, 7)
    with clustered.at(gateway, "events", ""):
        apply_schema()
        empty_clickhouse()
        deliver(CAME, blocks=1)
    engine.command(insert.replace(" SETTINGS", " AND user_id = 'u1' SETTINGS"))
    engine.command(drop)
    engine.command(insert)
    rebuild_rollups(project=DEFAULT, start=DAY, end=end)
    assert inventory.counts(project=DEFAULT, start=DAY, end=end) == {DAY: 1, end: 1}
    assert engine.query("SELECT sum(events) FROM daily_events") == [[2]]
    assert daily_counts.unlike(project=DEFAULT, zone="UTC", start=DAY, end=end) == {}


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
