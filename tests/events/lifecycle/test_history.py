"""A project that keeps so many days of events drops whole months, in both stores."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from analytics.clickhouse import ClickHouseUnavailable
from analytics.maintenance import history as cold
from analytics.maintenance import rebuild
from analytics.maintenance.history import Month
from analytics.people import listing as people
from events.auditing import repair
from events.auditing.differences import Difference, Kind
from events.auditing.verify import verify
from events.lifecycle import history
from events.models import Dedup, HotEvent
from events.postgres.repair_lock import RepairRunning, alone
from projects.keyring import keyring
from projects.models import DEFAULT, Project
from tests import clickhouse as engine
from tests.faults.audit import differing, rollups
from tests.importer.importing import import_events, rows_of, written
from tests.posting import post, post_taken
from tests.projects import made_projects
from tests.projects.made_projects import project
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores", "by_hand")

TODAY = date(2026, 11, 20)
OF = "?project=staging&wait=true"
# In the months that go, and the first moment that stays. 100 days before TODAY is 2026-08-12.
GOES = ("2025-12-31T23:59:59.999Z", "2026-06-01T00:00:00.000Z", "2026-07-31T23:59:59.999Z")
STAYS = ("2026-08-01T00:00:00.000Z", "2026-08-20T00:00:00.000Z", "2026-11-20T00:00:00.000Z")


@pytest.fixture(params=["Pacific/Auckland", "America/Sao_Paulo"])
def staging(request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project of 100 days with events before and after the day that divides them."""
    with project("staging", history_days=100, time_zone=request.param) as made:
        fill(made)
        yield made
        deliver_all()


@pytest.fixture
def plain() -> Iterator[Project]:
    """The same in UTC alone."""
    with project("staging", history_days=100) as made:
        fill(made)
        yield made
        deliver_all()


@pytest.fixture
def empty() -> Iterator[Project]:
    """The same without events."""
    with project("staging", history_days=100) as made:
        yield made


def fill(project: Project) -> None:
    events = [
        event(occurred_at=at, user_id=f"u{n}", event_type=kind)
        for n, at in enumerate([*GOES, *STAYS])
        for kind in ("view", "buy")
    ]
    made_projects.put_events(project.pk, events)
    deliver_all()


def limit(project: Project, days: int | None) -> None:
    project.history_days = days
    project.save(update_fields=["history_days"])


def moments(project: Project) -> list[str]:
    sql = "SELECT DISTINCT toString(occurred_at) FROM events ORDER BY 1"
    return [at.replace(" ", "T") + "Z" for (at,) in engine.query(sql, project=project.pk)]


def assert_rollups_are_those_of_the_events(project: Project) -> None:
    assert engine.query(differing(rollups(project.time_zone)), project=project.pk) == []


def test_whole_months_go_and_rollups_with_them(staging: Project) -> None:
    assert_rollups_are_those_of_the_events(staging)
    dropped = history.drop_history(staging, today=TODAY)
    assert dropped == [
        Month(date(2025, 12, 1), 2),
        Month(date(2026, 6, 1), 2),
        Month(date(2026, 7, 1), 2),
    ]
    assert moments(staging) == list(STAYS)
    assert_rollups_are_those_of_the_events(staging)
    # The same day again there is nothing to do, and once August is too old there is.
    assert history.drop_history(staging, today=TODAY) == []
    assert history.drop_history(staging, today=date(2026, 12, 10)) == [Month(date(2026, 8, 1), 4)]
    assert moments(staging) == list(STAYS[2:])


def test_who_has_no_event_left_is_not_listed_and_others_begin_with_what_is_left(
    plain: Project,
) -> None:
    made_projects.put_events(plain.pk, [event(occurred_at=GOES[0], user_id="u3")])
    deliver_all()
    everyone = partial(people.everyone, project=plain.pk, limit=9)
    assert (everyone().total, everyone(prefix="u3").users[0].first_seen) == (6, GOES[0])
    history.drop_history(plain, today=TODAY)
    assert [it.user_id for it in everyone().users] == ["u5", "u4", "u3"]
    assert everyone(prefix="u3").users[0].first_seen == STAYS[0]


def test_a_month_goes_only_when_its_last_day_is_too_old(plain: Project) -> None:
    for today, first in [
        (date(2026, 11, 8), date(2026, 7, 1)),  # 100 days after 2026-07-31
        (date(2026, 11, 9), date(2026, 8, 1)),
    ]:
        found = history.plan(plain, today=today)
        assert found is not None
        assert found.kept_from == first


def test_ids_of_dropped_events_stay_known(client: Client, plain: Project) -> None:
    old = event(occurred_at=GOES[0])
    made_projects.put_events(plain.pk, [old])
    deliver_all()
    known = Dedup.objects.count()
    history.drop_history(plain, today=TODAY)
    assert Dedup.objects.count() == known
    Project.objects.filter(pk=plain.pk).update(history_days=None, history_from=None)
    keyring.forget()
    assert post(client, [old], OF).json()["duplicates"] == 1


def test_older_events_are_refused_from_then_on(
    client: Client, plain: Project, tmp_path: Path
) -> None:
    history.drop_history(plain, today=TODAY)
    keyring.forget()
    assert keyring.find_project("staging") == plain.pk
    answer = post_taken(client, [event(occurred_at=at) for at in (GOES[2], STAYS[0])], OF)
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    [error] = answer["errors"]
    assert (error["index"], error["field"], error["code"]) == (0, "occurred_at", "history")
    assert "before 2026-08-01" in error["message"]
    file = written(tmp_path / "old.csv", rows_of(1, occurred_at=GOES[0]))
    _, complaints = import_events(file, "--project=staging")
    assert "occurred_at is before 2026-08-01" in complaints
    # Other projects take them.
    assert post_taken(client, [event(occurred_at=GOES[0])], "?wait=true")["accepted"] == 1


def test_what_was_on_its_way_goes_the_next_night(plain: Project) -> None:
    history.drop_history(plain, today=TODAY)
    made_projects.put_events(plain.pk, [event(occurred_at=GOES[1])])
    deliver_all()
    assert moments(plain) == [GOES[1], *STAYS]
    assert history.drop_history(plain, today=TODAY) == [Month(date(2026, 6, 1), 1)]
    assert moments(plain) == list(STAYS)
    assert_rollups_are_those_of_the_events(plain)


def test_hot_events_go_too_if_their_month_does(plain: Project) -> None:
    hot_one, today = event(occurred_at=moment(days=2)), datetime.now(UTC).date()
    for number in (plain.pk, DEFAULT):
        made_projects.put_events(number, [hot_one])
    deliver_all()
    limit(plain, 1)
    history.drop_history(plain, today=today + timedelta(days=40))
    assert not HotEvent.objects.filter(project_id=plain.pk).exists()
    assert HotEvent.objects.filter(project_id=DEFAULT).count() == 1


@pytest.mark.parametrize("broken", ["drop", "hot", rebuild.BY_DAY[0], rebuild.BY_USER[-1]])
def test_what_broke_off_is_finished_by_the_next_run(
    plain: Project, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    with monkeypatch.context() as patch:
        break_at(broken, patch)
        with pytest.raises(ClickHouseUnavailable):
            history.drop_history(plain, today=TODAY)
    history.drop_history(Project.objects.get(pk=plain.pk), today=TODAY)
    assert moments(plain) == list(STAYS)
    assert_rollups_are_those_of_the_events(plain)
    assert Project.objects.get(pk=plain.pk).history_dropped == date(2026, 8, 1)


def test_a_later_run_that_broke_off_is_finished_whatever_the_limit_is_by_then(
    plain: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was dropped at first is not what a late event made necessary."""
    history.drop_history(plain, today=TODAY)
    for then in (100, None, 400):
        limit(plain, 100)
        made_projects.put_events(plain.pk, [event(occurred_at=GOES[1])])
        deliver_all()
        with monkeypatch.context() as patch:
            break_at(rebuild.BY_DAY[0], patch)
            with pytest.raises(ClickHouseUnavailable):
                history.drop_history(plain, today=TODAY)
        limit(plain, then)
        assert history.drop_all()
        assert moments(plain) == list(STAYS), then
        assert_rollups_are_those_of_the_events(plain)
        assert Project.objects.get(pk=plain.pk).history_stale is None


def test_a_limit_that_was_withdrawn_meanwhile_drops_nothing(plain: Project) -> None:
    loaded = Project.objects.get(pk=plain.pk)
    limit(plain, None)
    assert history.drop_history(loaded, today=TODAY) == []
    assert moments(plain) == [*GOES, *STAYS]


def test_verification_misses_nothing_while_months_are_dropped(
    plain: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_at("drop", patch)
        with pytest.raises(ClickHouseUnavailable):
            history.drop_history(plain, today=TODAY)
    kinds = {kind for _, kind in verify(project=plain.pk).found}
    assert Kind.LOST not in kinds


def break_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Have the step fail as if ClickHouse had gone; the second month is not dropped."""
    done: list[date] = []

    def drop(first: date, **given: Any) -> None:
        if done:
            raise ClickHouseUnavailable("gone")
        done.append(first)
        dropped(first, **given)

    def rebuilt(table: str, **given: Any) -> None:
        if table == step:
            raise ClickHouseUnavailable("gone")
        made(table, **given)

    def gone(*_: Any) -> None:
        raise ClickHouseUnavailable("gone")

    dropped, made = cold.drop, rebuild.rebuild
    if step == "drop":
        patch.setattr(cold, "drop", drop)
    elif step == "hot":
        patch.setattr(history, "_drop_hot", gone)
    else:
        patch.setattr(rebuild, "rebuild", rebuilt)


def test_verification_misses_nothing_that_was_dropped(plain: Project) -> None:
    history.drop_history(plain, today=TODAY)
    found: list[Difference] = []
    report = verify(project=plain.pk, act=found.append)
    assert not report.differences, found
    assert report.cold == 6


def test_verification_still_finds_what_is_missing(plain: Project) -> None:
    history.drop_history(plain, today=TODAY)
    made_projects.put_events(plain.pk, [event(occurred_at=moment(hours=3))])
    deliver_all()
    sql = "ALTER TABLE events DELETE WHERE occurred_at > now() - INTERVAL 1 DAY"
    engine.command(f"{sql} SETTINGS mutations_sync = 1", project=plain.pk)
    mended = []
    verify(project=plain.pk, act=lambda difference: mended.append(repair.repair(difference)))
    assert 1 in mended


def test_nothing_is_dropped_without_a_limit_or_while_a_repair_runs(plain: Project) -> None:
    with alone(), pytest.raises(RepairRunning):
        history.drop_history(plain, today=TODAY)
    limit(plain, None)
    assert history.plan(plain, today=TODAY) is None
    assert history.drop_history(plain, today=TODAY) == []
    assert moments(plain) == [*GOES, *STAYS]


def test_the_nightly_task_serves_every_project_even_if_one_fails(
    empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(project: Project, *, today: date) -> None:
        served.append(project.slug)
        if project.slug == "staging":
            raise ClickHouseUnavailable("gone")

    served: list[str | None] = []
    monkeypatch.setattr(history, "drop_history", drop)
    with project("zz-other", history_days=5), project("no-limit"):
        assert not history.drop_all()
        assert served == ["staging", "zz-other"]
        served.clear()
        Project.objects.filter(pk=empty.pk).update(history_days=None)
        assert history.drop_all()
        assert served == ["zz-other"]


def told(project: Project) -> str:
    plan = history.plan(project, today=TODAY)
    assert plan is not None
    return history.told(plan)


def test_what_goes_is_told_before(plain: Project) -> None:
    said = told(plain)
    assert said == (
        "Events are kept from 2026-08-01 on. Next night those of 2025-12 to 2026-07 are dropped for"
        " ever: 6. Those of 2026-08 (4 so far) go on 2026-12-10."
    )
    history.drop_history(plain, today=TODAY)
    said = told(plain)
    assert "Next night" not in said


def test_limits_are_changed_and_shown_by_a_command(plain: Project) -> None:
    def said(*arguments: str) -> list[str]:
        out = StringIO()
        call_command("set_limits", "staging", *arguments, stdout=out)
        return out.getvalue().splitlines()

    assert said("--limit=70", "--quota=1000", "--history=none") == [
        *("limit: 70", "quota: 1000", "history: none")
    ]
    assert said("--limit=none")[:2] == ["limit: none", "quota: 1000"]
    assert "are dropped for ever" in said("--history=30")[-1]
    for wrong in ("0", "-1", "x", "1.5", "99999999999999999999"):
        with pytest.raises(CommandError):
            said(f"--history={wrong}")
    with pytest.raises(CommandError, match="--limit: Ensure this value is less"):
        said("--limit=99999999999")
    with pytest.raises(CommandError, match="there is no project"):
        call_command("set_limits", "nobody")
    assert Project.objects.get(pk=plain.pk).history_days == 30
