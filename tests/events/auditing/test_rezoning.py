"""The time zone of a project is changed, at rest and while events go on arriving."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from analytics import clickhouse
from analytics.clickhouse import ClickHouseUnavailable
from analytics.maintenance import daily_counts
from analytics.maintenance.migrate import drop_database
from analytics.zones import Zone
from events.auditing import rezoning
from events.auditing.differences import Kind
from events.auditing.rezoning import set_time_zone
from events.auditing.verify import verify
from events.delivery import deliver, pause
from events.models import Batch
from events.postgres import lock
from events.postgres.repair_lock import RepairRunning, alone
from events.storing.store import store
from projects.keyring import KEPT_SECONDS, keyring
from projects.models import DEFAULT, Project
from tests import clickhouse as engine
from tests.analytics.comparison import Question, compare_answers
from tests.analytics.histories import ASKED_FOR
from tests.faults import audit
from tests.faults.audit import rollups
from tests.meanwhile import before, beside, in_thread
from tests.projects import made_projects
from tests.samples import event, framed, moment
from tests.stored import cold, deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")

KATHMANDU, SAO_PAULO = "Asia/Kathmandu", "America/Sao_Paulo"
TODAY = datetime.now(UTC).date()
# On the next day in Kathmandu, and on the day before in São Paulo.
EVENING, NIGHT = "2025-01-05T20:00:00.000Z", "2025-01-06T01:00:00.000Z"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(rezoning, "_wait_for_reports", lambda: None)


@pytest.fixture
def project() -> Iterator[Project]:
    with made_projects.project("zoned") as made:
        yield made
        deliver_all()


@pytest.fixture
def moved() -> Iterator[Project]:
    """One whose rollups hold days of Kathmandu from the first: to change the zone takes long."""
    with made_projects.project("zoned", time_zone=KATHMANDU) as made:
        yield made
        deliver_all()


def put(project: Project, count: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Stored, not delivered."""
    sent = [event(**{"occurred_at": EVENING, **changes}) for _ in range(count)]
    store(project=project.pk, frames=[framed(sent)], source=Batch.Source.QUEUE)
    return sent


def some(project: Project) -> list[dict[str, Any]]:
    sent = [
        *put(project, 3),
        *put(project, 2, user_id="u2", occurred_at=NIGHT),
        *put(project, user_id="u2", event_type="buy", occurred_at="2018-11-04T02:30:00.000Z"),
        *put(project, user_id="u3", event_type="buy", occurred_at="1970-01-01T00:30:00.000Z"),
    ]
    deliver_all()
    return sent


def state(project: Project) -> tuple[str, str | None]:
    row = Project.objects.get(pk=project.pk)
    return row.time_zone, row.rollup_zone


def differing(project: Project, zone: str) -> dict[str, int]:
    """Rows of each rollup that are not as the events say in days of the zone."""
    return dict(engine.query(audit.differing(rollups(zone)), project=project.pk))


def change(project: Project, zone: str) -> None:
    set_time_zone(project, zone, by="a test")
    assert state(project) == (zone, zone)
    assert differing(project, zone) == {}


def test_rollups_hold_days_of_the_new_zone_and_what_comes_later_too(project: Project) -> None:
    sent = some(project)
    for zone in (KATHMANDU, SAO_PAULO, "UTC"):
        change(project, zone)
        sent += some(project)
        assert differing(project, zone) == {}
        assert verify(project=project.pk).differences == 0
        for segments in ((), ("event_type:buy",)):
            question = Question(
                *(segments, date(2025, 1, 4), date(2025, 1, 7), 5),
                *(date(2018, 10, 1), 3, date(2025, 2, 1)),
            )
            own = Zone(zone, lambda zone=zone: zone)  # type: ignore[misc]
            compare_answers(sent, question, zone=own, project=project.pk)
    left = "SELECT name FROM system.tables WHERE name LIKE '%rebuilt%'"
    assert engine.query(left, project=project.pk) == []
    assert "ClickHouse 20" in Project.objects.get(pk=project.pk).rollup_tzdata


@pytest.fixture
def ingest(project: Project) -> Iterator[Callable[[], int]]:
    """Events stored and delivered all the time; says how many batches so far."""
    done, batches = threading.Event(), list[int]()

    def work() -> None:
        try:
            while not done.wait(0.2):
                for n in range(len(batches) % 7, 700, 230):
                    at = moment(days=n, minutes=97 * len(batches))
                    put(project, user_id=f"u{len(batches) % 50}", occurred_at=at)
                deliver.deliver_due()
                batches.append(1)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield lambda: len(batches)
    done.set()
    thread.join()


def test_what_arrives_meanwhile_is_in_the_rollups_once(
    project: Project, ingest: Callable[[], int]
) -> None:
    wait_until(lambda: ingest() > 2)
    for zone in (KATHMANDU, SAO_PAULO):
        before = ingest()
        set_time_zone(project, zone, by="a test")
        assert ingest() > before
        wait_until(lambda zone=zone: differing(project, zone) == {})  # type: ignore[misc]
        assert (
            daily_counts.unlike(
                project=project.pk, zone=zone, start=date(2020, 1, 1), end=TODAY + timedelta(days=2)
            )
            == {}
        )


class Killed(ClickHouseUnavailable):
    pass


def test_killed_at_any_step_it_is_exact_and_a_second_run_finishes_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, left = clickhouse.command, [10_000]
    said: list[str] = []

    def killed(sql: str, **given: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed("killed")
        said.append(sql)
        command(sql, **given)

    monkeypatch.setattr(clickhouse, "command", killed)
    put(project, 3)
    deliver_all()
    zones = [KATHMANDU, SAO_PAULO]
    change(project, zones[0])
    steps = len(said)
    assert steps > 40
    # Six statements prepare a rollup, and five put it in its place: by sevens each of these comes.
    for step in range(0, steps, 1 if ASKED_FOR else 7):
        zones.reverse()
        left[0] = step
        with pytest.raises(Killed):
            set_time_zone(project, zones[0], by="a test")
        assert state(project) == (zones[0], None)
        left[0] = 10_000
        put(project, user_id=f"u{step}")
        deliver_all()
        keyring.forget()
        assert keyring.rollup_zone(project.pk) is None
        assert verify(project=project.pk).differences == 0
        change(project, zones[0])


def test_rebuilding_rollups_finishes_a_change_that_broke_off(project: Project) -> None:
    some(project)
    Project.objects.filter(pk=project.pk).update(time_zone=KATHMANDU, rollup_zone=None)
    call_command("rebuild_rollups", "--project", "zoned", stdout=StringIO())
    assert state(project) == (KATHMANDU, KATHMANDU)
    assert differing(project, KATHMANDU) == {}


@pytest.mark.usefixtures("by_hand")
def test_rebuilding_rollups_heeds_the_zone_that_postgresql_has(moved: Project) -> None:
    """The stores were copied before and after a change."""
    some(moved)
    Project.objects.filter(pk=moved.pk).update(time_zone="UTC", rollup_zone="UTC")
    assert verify(project=moved.pk).differences > 0
    engine.command("TRUNCATE TABLE users", project=moved.pk)
    call_command("rebuild_rollups", "--project", "zoned", stdout=StringIO())
    assert state(moved) == ("UTC", "UTC")
    assert differing(moved, "UTC") == {}


@pytest.mark.usefixtures("by_hand")
def test_rollups_are_rebuilt_by_days_of_their_zone(moved: Project) -> None:
    some(moved)
    for table in rollups():
        engine.command(f"DELETE FROM {table} WHERE 1", project=moved.pk)
    [found] = verify(project=moved.pk, start=date(2025, 1, 6), end=date(2025, 1, 6)).found
    assert found == (date(2025, 1, 6), Kind.ROLLUP)
    call_command("rebuild_rollups", "--project", "zoned", stdout=StringIO())
    assert differing(moved, KATHMANDU) == {}


@pytest.mark.usefixtures("by_hand")
def test_copies_are_taken_out_of_the_counts_of_the_zones_day(moved: Project) -> None:
    [one] = put(moved, occurred_at=f"{TODAY - timedelta(days=1)}T20:00:00.000Z")
    deliver_all()
    for at in ("first", "second"):
        engine.insert_block(project=moved.pk, token=at, body=framed([one]))
    out = StringIO()
    call_command("verify_stores", "--project", "zoned", "--repair", stdout=out)
    assert "the stores agree" in out.getvalue()
    assert differing(moved, KATHMANDU) == {}


def sent_without_an_answer(project: Project, count: int) -> None:
    """ClickHouse has them, nobody was told, and they will be sent again."""
    put(project, count)
    claim = deliver._claim()
    assert claim
    engine.insert_block(project=project.pk, token=str(claim.batch_id), body=claim.payload)
    Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=None)


@pytest.mark.usefixtures("no_delivery")
def test_a_block_that_is_sent_again_after_the_change_counts_once(project: Project) -> None:
    sent_without_an_answer(project, 4)
    set_time_zone(project, KATHMANDU, by="a test")
    deliver_all()
    assert differing(project, KATHMANDU) == {}
    counted = engine.query(
        "SELECT day, sum(events) FROM daily_events GROUP BY day", project=project.pk
    )
    assert counted == [["2025-01-06", 4]]


@pytest.fixture
def default() -> Project:
    """For what needs none of its own: to make one takes long."""
    return Project.objects.get(pk=DEFAULT)


@pytest.mark.usefixtures("no_delivery")
def test_in_a_pause_nothing_is_sent_and_events_are_stored(default: Project) -> None:
    with pause.paused() as still_paused:
        put(default, 2)
        in_thread(lambda: found.append(deliver.deliver_due()))
        still_paused()
        assert cold() == 0
    assert (found[0].blocks, found[0].failed) == (0, True)
    deliver_all()
    assert cold() == 2


found: list[deliver.Delivered] = []


@pytest.mark.usefixtures("no_delivery")
@pytest.mark.parametrize("moments_before", [False, True])
def test_a_pause_begins_when_what_is_under_way_has_ended(
    default: Project, monkeypatch: pytest.MonkeyPatch, moments_before: bool
) -> None:
    """Also what began while the pause waited for what was under way before."""
    put(default)
    begun, asked = threading.Event(), threading.Event()

    def claim() -> None:
        Batch.objects.update(claimed_until=moment(days=-1), attempts=1)
        asked.set()

    def take() -> None:
        with pause.paused():
            begun.set()

    if moments_before:
        before(monkeypatch, lock, "wait_for", claim)
    else:
        claim()
    with beside(take):
        assert asked.wait(20)
        assert not begun.wait(2)
        Batch.objects.update(claimed_until=None)
        assert begun.wait(20)


def test_two_changes_at_once_are_refused_and_leave_the_zone(default: Project) -> None:
    said: list[str] = []

    def second() -> None:
        with pytest.raises(RepairRunning):
            set_time_zone(default, SAO_PAULO, by="a test")
        said.append("refused")

    with alone():
        in_thread(second)
    assert said == ["refused"]
    assert state(default) == ("UTC", "UTC")


def test_a_report_reads_rollups_of_its_own_zone_alone(moved: Project, client: Client) -> None:
    """A user who never came is in the rollup."""
    some(moved)
    false = "INSERT INTO daily_users SELECT toDate('2025-01-06'), 1"
    engine.command(false, project=moved.pk)
    keyring.forget()
    assert users(client) == users(client, KATHMANDU) == 3
    assert users(client, "UTC") == 1
    assert users(client, SAO_PAULO) == 0
    Project.objects.filter(pk=moved.pk).update(rollup_zone=None)
    keyring.forget()
    assert users(client) == users(client, KATHMANDU) == 2


def users(client: Client, zone: str | None = None) -> int:
    query = "project=zoned&from=2025-01-06&to=2025-01-06" + (f"&tz={zone}" if zone else "")
    [day] = client.get(f"/stats/dau?{query}").json()
    return int(day["unique_users"])


def test_a_process_that_can_not_ask_postgresql_reads_no_rollups(
    moved: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.forget()
    assert (keyring.find_zone(moved.pk), keyring.rollup_zone(moved.pk)) == (KATHMANDU,) * 2
    monkeypatch.setattr(keyring, "_is_down", True)
    monkeypatch.setattr(keyring, "_background", _Nothing())
    keyring._read_at -= KEPT_SECONDS
    assert (keyring.find_zone(moved.pk), keyring.rollup_zone(moved.pk)) == (KATHMANDU, None)


class _Nothing:
    def soon(self) -> None:
        """PostgreSQL is down, so nothing is read."""


def test_the_commands_set_the_zone(project: Project) -> None:
    out = StringIO()
    call_command("set_time_zone", "zoned", KATHMANDU, stdout=out)
    assert out.getvalue().endswith("the days of zoned are those of Asia/Kathmandu\n")
    call_command("make_project", "other", "--time-zone", SAO_PAULO, stdout=out)
    other = Project.objects.get(slug="other")
    assert state(other) == (SAO_PAULO, SAO_PAULO)
    some(other)
    assert differing(other, SAO_PAULO) == {}
    drop_database(project=other.pk)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "localtime", "utc"])
def test_a_zone_that_a_store_lacks_is_refused(default: Project, zone: str) -> None:
    with pytest.raises(CommandError, match="is no time zone"):
        call_command("set_time_zone", "default", zone)
    with pytest.raises(CommandError, match="is no time zone"):
        call_command("make_project", "other", "--time-zone", zone)
    assert state(default) == ("UTC", "UTC")
