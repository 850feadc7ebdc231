"""Rollups, surplus copies, exports and a history that moves: each event is there once."""

import re
import uuid
from datetime import date
from typing import Any

import pytest

from analytics import export, reports
from analytics.maintenance import daily_counts, inventory, rebuild, surplus
from analytics.segments.parsing import parse_segments
from events.auditing.rollups import rebuild_rollups
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests import documents
from tests.analytics import clustered, written
from tests.analytics.cluster.came import CAME, DAY
from tests.analytics.comparison import OWN, compare_answers, deliver
from tests.clickhouse import apply_schema
from tests.embedded.gateway import Gateway
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

SCALING = documents.DOCS / "scaling.md"


def test_a_rollup_is_rebuilt_from_what_all_shards_have(gateway: Gateway, stored: None) -> None:
    deliver(written.WEEKS.events, blocks=2, again=True)
    whole: dict[str, Any] = {
        "project": DEFAULT,
        "start": inventory.FIRST_DAY,
        "end": inventory.LAST_DAY,
    }
    for table in rebuild.ALL:
        engine.command(f"TRUNCATE TABLE {table}_local")
        rebuild.rebuild(table, **whole)
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


def test_an_export_has_the_events_of_all_shards(stored: None) -> None:
    sent = [event(**it) for it in CAME]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    exported = {event_id for block in export.events(project=DEFAULT) for event_id in block.event_id}
    assert exported == {it["event_id"] for it in sent}


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
@pytest.mark.usefixtures("by_hand")
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
