"""The purge: days leave the hot layer whole, and nobody who is storing notices."""

import threading
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, transaction
from django_celery_beat.models import PeriodicTask

from config.celery import app
from events.delivery import deliver, parking
from events.models import Batch, Dedup, HotEvent
from events.storing import hot, purge
from events.storing.store import store
from projects.models import DEFAULT
from tests.events import failing
from tests.meanwhile import at_once, in_thread
from tests.samples import event, framed, moment
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def _whole_window(stores: None) -> Any:
    hot.ensure_partitions(now=NOW)
    yield
    hot.ensure_partitions(now=NOW)


def put(count: int = 1, **changes: Any) -> None:
    store(
        project=DEFAULT,
        frames=[framed([event(**changes) for _ in range(count)])],
        source=Batch.Source.QUEUE,
    )


def in_days(days: int) -> datetime:
    return datetime.combine(TODAY + timedelta(days=days), datetime.min.time(), UTC)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("purge_hot_events", *arguments, stdout=out)
    return out.getvalue()


def test_nothing_inside_the_window_is_dropped() -> None:
    put(3, occurred_at=moment(days=6))
    assert purge.purge_hot(now=NOW) == []
    assert HotEvent.objects.count() == 3


def test_days_that_have_left_the_window_are_dropped_and_the_others_stay() -> None:
    put(2, occurred_at=moment(days=6))
    put(1)
    # Eight days are kept: seven before today, and today.
    purged = purge.purge_hot(now=in_days(3) + timedelta(hours=3))
    assert [p.day for p in purged] == [TODAY - timedelta(days=n) for n in (7, 6, 5)]
    assert HotEvent.objects.count() == 1


def test_a_day_is_kept_for_an_hour_after_it_has_left_the_window() -> None:
    assert purge.purge_hot(now=in_days(1) + timedelta(minutes=59)) == []
    assert len(purge.purge_hot(now=in_days(1) + timedelta(minutes=61))) == 1


def days_gone() -> int:
    """How many of the seven days before today are out of a window of two, kept for an hour more."""
    return 5 if datetime.now(UTC).hour else 4


def test_a_dry_run_only_says_what_would_go() -> None:
    put(5, occurred_at=moment(days=5))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE hot_events")
    said = command("--dry-run", "--days", "2")
    assert f"would drop {TODAY - timedelta(days=5)}: about 5 events" in said
    assert f"would drop {days_gone()} days" in said
    assert HotEvent.objects.count() == 5


def test_after_a_purge_by_hand_events_of_those_days_are_still_stored() -> None:
    put(2, occurred_at=moment(days=5))
    assert f"dropped {days_gone()} days" in command("--days", "2")
    put(1, occurred_at=moment(days=5))
    assert HotEvent.objects.count() == 1


def test_a_partition_dropped_behind_our_back_is_made_again_by_the_next_store() -> None:
    put()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {hot.partition_name(TODAY - timedelta(days=3))}")
    put(2, occurred_at=moment(days=3))
    assert HotEvent.objects.count() == 3


@pytest.mark.parametrize("days", ["-1", "x", "1.5", "99999999999"])
def test_days_that_are_no_number_are_refused(days: str) -> None:
    with pytest.raises(CommandError, match="not a number of days"):
        command(f"--days={days}")


def test_a_purge_waits_for_a_reader_but_lets_the_others_go_on(monkeypatch: Any) -> None:
    """The drop gives its place in the lock's queue back while it can't have it."""
    monkeypatch.setattr(purge, "_LOCK_TIMEOUTS_MILLISECONDS", (100, 200))
    put()
    reading, done = threading.Event(), threading.Event()
    reader = threading.Thread(target=_read_until, args=(reading, done))
    reader.start()
    reading.wait(10)
    try:
        with pytest.raises(purge.PurgeBlocked, match="in use"):
            purge.purge_hot(now=in_days(3))
        # It would give way to the drop only after a second.
        assert autovacuum_of(TODAY - timedelta(days=7)) == ["autovacuum_enabled=false"]
        put()
        with pytest.raises(CommandError, match="the next purge tries again"):
            command("--days", "2")
    finally:
        done.set()
        reader.join()
    assert HotEvent.objects.count() == 2
    assert purge.purge_hot(now=in_days(3)) != []


def autovacuum_of(day: date) -> Any:
    with connection.cursor() as cursor:
        name = hot.partition_name(day)
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = to_regclass(%s)", [name])
        return cursor.fetchone()[0]


def _read_until(reading: threading.Event, done: threading.Event) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM hot_events")
        reading.set()
        done.wait(30)
        cursor.execute("ROLLBACK")
    connections.close_all()


def test_a_drop_that_fails_for_another_reason_is_not_tried_again() -> None:
    said: list[str] = []

    def drop() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50ms'")
            with pytest.raises(OperationalError) as error:
                purge._drop(TODAY)
            said.append(str(error.value))
            transaction.set_rollback(True)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {hot.partition_name(TODAY)}")
        in_thread(drop)
    assert said == ["canceling statement due to statement timeout"]


def test_a_day_that_another_purge_has_dropped_meanwhile_is_described_as_empty() -> None:
    gone = TODAY + timedelta(days=400)
    assert purge._described(gone) == (gone, 0, 0)


def test_the_space_of_delivered_batches_can_be_used_again() -> None:
    before = vacuums()
    purge.vacuum_outbox()
    wait_until(lambda: vacuums() > before)


def vacuums() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'batches'")
        return int(cursor.fetchone()[0])


def test_ids_are_kept_for_ever_unless_a_setting_bounds_them(settings: Any) -> None:
    put(3)
    Dedup.objects.update(first_seen=NOW - timedelta(days=40))
    put(2)
    assert purge.purge_ids(now=NOW) == 0
    settings.DEDUP_DAYS = 30
    assert purge.purge_ids(now=NOW) == 3
    assert Dedup.objects.count() == 2


def test_records_of_old_delivered_batches_go_and_undelivered_ones_stay(settings: Any) -> None:
    for _ in range(4):
        put()
    deliver_all()
    put()
    Batch.objects.update(created_at=NOW - timedelta(days=31))
    undelivered = Batch.objects.latest("id")
    Batch.objects.filter(id=undelivered.id).update(state=Batch.State.PENDING)
    put()
    assert purge.purge_batches(now=NOW) == 4
    assert undelivered in Batch.objects.all()
    assert Batch.objects.count() == 2
    settings.BATCH_DAYS = 0
    assert purge.purge_batches(now=NOW) == 0


@pytest.mark.usefixtures("no_delivery")
def test_old_batches_that_a_person_has_to_decide_on_stay_with_what_they_came_from(
    no_delivery: None,
) -> None:
    failing.put(3, bad=1)
    deliver.deliver_due()
    parking.park_unstored(framed([event()]), reason="why", project=DEFAULT)
    put()
    deliver.deliver_due()
    Batch.objects.update(created_at=NOW - timedelta(days=400))
    purge.purge_batches(now=NOW)
    left = Batch.objects.order_by("state").values_list("state", "split_from__state", "stored")
    whole, refused = Batch.State.SPLIT, Batch.State.FAILED
    assert list(left) == [(refused, whole, 1), (whole, None, 4), (Batch.State.UNSTORED, None, 0)]


def test_every_scheduled_task_may_run_twice_at_once() -> None:
    """Two beats send everything twice."""
    put(10)
    names = [row[0] for row in {**migration().EVERY, **migration().DAILY}.values()]
    app.loader.import_default_modules()
    assert set(app.tasks) >= set(names)
    # It only wakes a thread; `test_two_workers_at_once_import_an_upload_once` is its test.
    names.remove("importer.import_uploads")
    at_once(app.tasks[name] for name in names * 2)
    assert HotEvent.objects.count() == Dedup.objects.count() == 10


def test_two_purges_at_once_drop_each_day_once() -> None:
    at_once([partial(purge.purge_hot, now=in_days(5))] * 2)
    assert min(hot.partition_days()) == TODAY - timedelta(days=3)


def test_two_processes_that_make_the_same_day_at_once_make_it_once() -> None:
    purge._drop(TODAY + timedelta(days=hot.DAYS_AHEAD))
    made: list[Any] = []
    second = threading.Thread(target=_make_partitions, args=(made,))
    with transaction.atomic():
        assert hot.ensure_partitions(now=NOW) == [TODAY + timedelta(days=hot.DAYS_AHEAD)]
        second.start()
        wait_until(_somebody_waits)
    second.join(30)
    assert made == [[]]


def _make_partitions(made: list[Any]) -> None:
    try:
        made.append(hot.ensure_partitions(now=NOW))
    except Exception as error:
        made.append(error)
    finally:
        connections.close_all()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid()"
            " = ANY (pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


def test_an_operators_schedule_outlives_an_upgrade() -> None:
    task = PeriodicTask.objects.get(name="drop hot days")
    assert (task.crontab.hour, task.crontab.minute, str(task.crontab.timezone)) == (
        *("3", "0"),
        "UTC",
    )
    PeriodicTask.objects.filter(id=task.id).update(enabled=False, description="not here")
    call_command("migrate", verbosity=0)
    task.refresh_from_db()
    assert (task.enabled, task.description) == (False, "not here")
    assert PeriodicTask.objects.filter(task="events.purge_hot_events").count() == 1


def migration() -> Any:
    return import_module("events.migrations.0002_schedules")


def test_a_day_is_a_day_in_utc_whatever_the_zone_of_the_clock() -> None:
    east = datetime.fromisoformat("2026-03-02T01:30:00+02:00")
    assert hot.window_start(east).date() == date(2026, 2, 22)
