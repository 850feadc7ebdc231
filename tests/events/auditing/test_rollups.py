"""Rollups rebuilt from the events, at rest and while events go on arriving."""

import threading
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from analytics import clickhouse as engine
from analytics import inserting, reports
from analytics.clickhouse import ClickHouseUnavailable
from analytics.maintenance import daily_counts, rebuild
from events.auditing import rollups, verify
from events.auditing.differences import Kind
from events.models import Batch
from events.postgres.repair_lock import alone
from events.storing.store import store
from projects.models import DEFAULT
from tests.analytics.comparison import OWN
from tests.events.auditing.damage import (
    OLD,
    YESTERDAY,
    agreeing,
    assert_rollups_hold_the_events,
    delivered,
    put,
)
from tests.faults.audit import ROLLUPS
from tests.meanwhile import beside, in_thread
from tests.projects import made_projects
from tests.samples import event, framed, moment
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")

TABLES = ["daily_events", *rebuild.ALL]


@pytest.fixture(autouse=True)
def _look_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.01)


def rebuilt(*arguments: str) -> str:
    out = StringIO()
    call_command("rebuild_rollups", *arguments, stdout=out)
    return out.getvalue()


def events_of_years() -> None:
    for year in (2010, 2012, 2015):
        put(3, user_id=f"u{year}")
        put(2, user_id=f"u{year}", occurred_at=OLD, event_type="old")
        put(1, user_id=f"u{year}", occurred_at=f"{year}-12-31T23:59:59.999Z")
    deliver_all()


def say_falsely(day: str) -> None:
    """Users who never came and a count of events that never were, on that day."""
    false = "SELECT {day:Date} AS day, toUInt64(1) AS user_hash, 'never' AS event_type"
    week = f"(WITH intDiv(toUInt16(day) + 3, 7) AS week SELECT *, week FROM ({false}))"
    mask = "intDiv(week, 128), week, bitShiftLeft(toUInt128(1), week % 128)"
    for insert in (
        f"daily_events SELECT day, event_type, 7 FROM ({false})",
        f"daily_users SELECT day, user_hash FROM ({false})",
        f"daily_users_by_type SELECT event_type, day, user_hash FROM ({false})",
        f"weekly_users SELECT user_hash, {mask} FROM {week}",
        f"weekly_users_by_type SELECT event_type, user_hash, {mask} FROM {week}",
        f"users SELECT user_hash, 'never', day, day FROM ({false})",
    ):
        engine.command(f"INSERT INTO {insert}", parameters={"day": day}, project=DEFAULT)


def false_rows() -> dict[str, int]:
    counted = " UNION ALL ".join(
        f"SELECT '{table}', count() FROM ({kept} EXCEPT {recounted})"
        for table, (kept, recounted) in ROLLUPS.items()
    )
    return {table: int(count) for table, count in engine.query(counted, project=DEFAULT)}


@pytest.mark.usefixtures("by_hand")
def test_what_rollups_say_too_much_or_too_little_is_as_the_events_are_afterwards() -> None:
    events_of_years()
    say_falsely("2025-01-05")
    for table in TABLES:
        engine.command(f"DELETE FROM {table} WHERE rand() % 2 = 0", project=DEFAULT)
    said = rebuilt()
    assert [line.split(": ")[1] for line in said.splitlines()] == TABLES
    assert_rollups_hold_the_events()
    assert agreeing()
    top = reports.top_events(
        project=DEFAULT, zone=OWN, start=date(2025, 1, 5), end=date(2025, 1, 5), limit=9
    )
    assert top == [("old", 6)]


@pytest.mark.usefixtures("by_hand")
def test_with_days_what_rollups_of_days_say_of_others_stays() -> None:
    events_of_years()
    say_falsely("2025-01-05")
    say_falsely("2025-01-04")
    rebuilt("--from", "2025-01-05", "--to", "2025-01-05")
    assert false_rows() == {
        **dict.fromkeys(["daily_events", *rebuild.BY_DAY], 1),
        **dict.fromkeys([*rebuild.BY_USER, *rebuild.IN_ANY_ZONE], 0),  # their rows have no day
    }
    rebuilt("--from", "2025-01-04", "--to", "2025-01-04")
    assert_rollups_hold_the_events()


@pytest.mark.usefixtures("by_hand")
def test_the_last_day_of_1969_goes_with_the_first_of_1970() -> None:
    """Zones west of Greenwich have it, and ClickHouse writes it as its last day."""
    events_of_years()
    columns = {"daily_users": "", "daily_users_by_type": "'never', "}
    for table, value in columns.items():
        engine.command(
            f"INSERT INTO {table} SELECT {value}toDate(65535), toUInt64(1)", project=DEFAULT
        )
    rebuilt("--from", "1970-01-02", "--to", "2026-01-01")
    assert {false_rows()[table] for table in columns} == {1}
    rebuilt("--from", "1970-01-01", "--to", "1970-01-01")
    rebuilt("--from", "0001-01-01", "--to", "9999-12-31")
    assert_rollups_hold_the_events()


@pytest.mark.usefixtures("by_hand")
def test_a_wrong_count_of_the_last_day_of_1969_is_found_and_mended() -> None:
    """Together with the first of 1970; ClickHouse writes it as its last day."""
    with made_projects.project("west", time_zone="America/Sao_Paulo") as west:
        first = [event(occurred_at="1970-01-01T01:00:00Z", event_type="a") for _ in range(3)]
        store(project=west.pk, frames=[framed(first)], source=Batch.Source.QUEUE)
        deliver_all()
        assert verify.verify(project=west.pk).found == {}
        wrong = "INSERT INTO daily_events SELECT toDate(65535), 'a', 7"
        of_day: dict[str, Any] = {"start": date(1970, 1, 1), "end": date(1970, 1, 1)}
        for days in ({}, of_day):
            engine.command(wrong, project=west.pk)
            [found] = verify.verify(project=west.pk, **days).found
            assert found == (date(1969, 12, 31), Kind.ROLLUP)
            later: dict[str, Any] = {"start": date(1970, 1, 2), "end": date(2026, 1, 1)}
            assert verify.verify(project=west.pk, **later).found == {}
            key, zone = (date(1969, 12, 31), "a"), "America/Sao_Paulo"
            daily_counts.subtract_excess({key: 2}, project=west.pk, zone=zone)
            assert daily_counts.unlike(project=west.pk, zone=zone, **of_day) == {key: 5}
            rollups.rebuild_rollups(project=west.pk, **days)
            assert verify.verify(project=west.pk).found == {}


@pytest.fixture
def ingest() -> Iterator[Callable[[], int]]:
    """Events stored and delivered all the time; says how many batches so far."""
    done, batches = threading.Event(), list[int]()

    def work() -> None:
        try:
            while not done.wait(0.2):
                at = [moment(days=n) for n in range(len(batches) % 7, 700, 230)]
                for occurred_at in at:
                    put(user_id=f"u{len(batches) % 50}", occurred_at=occurred_at)
                deliver_all()
                batches.append(1)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield lambda: len(batches)
    done.set()
    thread.join()


def test_what_arrives_meanwhile_is_in_the_rollups(ingest: Callable[[], int]) -> None:
    wait_until(lambda: ingest() > 3)
    before = ingest()
    for _ in range(2):
        rebuilt()
    assert ingest() > before
    wait_until(rollups_hold_the_events)


def test_what_arrives_between_the_filling_and_the_exchange_is_in_the_rollups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = rebuild.run

    def watched(name: str, *arguments: Any) -> None:
        if name == "rebuild_merge":
            delivered(1, user_id=f"late {len(came)}")
            came.append(name)
        run(name, *arguments)

    came: list[str] = []
    monkeypatch.setattr(rebuild, "run", watched)
    rebuilt()
    assert len(came) == len(rebuild.ALL)
    assert_rollups_hold_the_events()


def rollups_hold_the_events() -> bool:
    """Seen between two deliveries."""
    try:
        assert_rollups_hold_the_events()
    except AssertionError:
        return False
    return True


def test_an_insert_that_began_before_the_new_view_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put()
    Batch.objects.update(claimed_until=moment(days=-1), attempts=1)
    filled, run = threading.Event(), rebuild.run

    def watched(name: str, *arguments: Any) -> None:
        if name.startswith("rebuild_fill"):
            filled.set()
        run(name, *arguments)

    monkeypatch.setattr(rebuild, "run", watched)

    with beside(partial(rollups.rebuild_rollups, project=DEFAULT)):
        assert not filled.wait(2)
        Batch.objects.update(attempts=2)  # another's turn, begun after the view
        assert filled.wait(20)
        Batch.objects.update(claimed_until=None)


def test_a_block_sent_again_after_a_rebuild_counts_nothing_twice() -> None:
    delivered(5)
    rebuilt()
    [batch] = Batch.objects.all()
    put(5)
    again = Batch.objects.exclude(id=batch.id).get()
    body = bytes(again.payload or b"")
    inserting.insert_block(token=str(again.id), body=body, project=DEFAULT)
    rebuilt()
    inserting.insert_block(token=str(again.id), body=body, project=DEFAULT)
    deliver_all()
    assert_rollups_hold_the_events()
    assert engine.query("SELECT sum(events) FROM daily_events", project=DEFAULT) == [[10]]


def test_cut_short_it_leaves_what_was_there_and_the_next_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events_of_years()

    run = rebuild.run

    def killed(name: str, *arguments: Any) -> None:
        if name == "rebuild_merge":
            raise ClickHouseUnavailable("gone")
        run(name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "discard", lambda *_: None)
        patch.setattr(rebuild, "run", killed)
        with pytest.raises(CommandError, match="ClickHouse failed: gone"):
            rebuilt()
    assert_rollups_hold_the_events()
    delivered(2)
    rebuilt()
    assert_rollups_hold_the_events()
    left = engine.query(
        "SELECT name FROM system.tables WHERE name LIKE '%rebuilt%'", project=DEFAULT
    )
    assert left == []


def test_two_at_once_are_refused() -> None:
    said: list[str] = []

    def work() -> None:
        with pytest.raises(CommandError) as error:
            rebuilt()
        said.append(str(error.value))

    with alone():
        in_thread(work)
    assert said == ["another repair is running"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", str(YESTERDAY)], "--from and --to must be given together"),
        (["--from", "2025-01-02", "--to", "2025-01-01"], "--from is after --to"),
        (["--from", "soon", "--to", "2025-01-01"], "'soon' is not a date"),
    ],
)
def test_days_that_mean_nothing_are_refused(arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        rebuilt(*arguments)
