"""Deliveries of several projects: a block each, and none waits for another's fault."""

from collections.abc import Iterator
from typing import Any

import pytest

from analytics import clickhouse as engine
from analytics import inserting
from analytics.maintenance.migrate import drop_database
from events.delivery import background, deliver
from events.models import Batch
from projects.models import DEFAULT, Project
from tests.projects.made_projects import project, put
from tests.stored import cold

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")


@pytest.fixture
def staging() -> Iterator[Project]:
    with project("staging") as made:
        yield made


def test_batches_of_two_projects_share_no_block(staging: Project) -> None:
    for _ in range(3):
        put(DEFAULT)
        put(staging.pk)
    assert deliver.deliver_due() == (2, False, 2)
    merged = Batch.objects.exclude(merged_into=None)
    pairs = merged.values_list("project", "merged_into__project")
    assert sorted(pairs) == sorted([(DEFAULT, DEFAULT)] * 2 + [(staging.pk, staging.pk)] * 2)
    assert cold() == 3
    assert engine.query("SELECT count() FROM events", project=staging.pk) == [[3]]


def test_a_run_ends_though_others_send_all_the_time(staging: Project, monkeypatch: Any) -> None:
    real = deliver._deliver

    def deliver_and_get_more(claim: deliver.Claim) -> bool:
        assert Batch.objects.count() < 10, "the run goes on for ever"
        put(claim.project)
        return real(claim)

    put(DEFAULT)
    put(staging.pk)
    with monkeypatch.context() as sending:
        sending.setattr(deliver, "_deliver", deliver_and_get_more)
        assert deliver.deliver_due() == (2, False, 2)
    assert Batch.objects.filter(state=Batch.State.PENDING).count() == 2


@pytest.mark.parametrize("code", [81, 241, 252])
def test_a_project_that_fails_holds_up_no_other(
    staging: Project, monkeypatch: Any, code: int
) -> None:
    """Its batches are the oldest, and more than a run tries."""
    if code == 81:
        drop_database(project=staging.pk)
        inserting.forget_schema(project=staging.pk)
    monkeypatch.setattr(deliver, "_MERGE_AT_MOST", 1)
    for _ in range(5):
        put(staging.pk)
    put(DEFAULT)
    real = inserting.insert_block

    def insert_block(*, project: int, **given: Any) -> None:
        if project == staging.pk and code != 81:
            raise engine.ClickHouseUnavailable("no", code=code)
        real(project=project, **given)

    monkeypatch.setattr(inserting, "insert_block", insert_block)
    assert deliver.deliver_due() == (1, True, 1)
    assert cold() == 1
    assert Batch.objects.filter(project=staging, attempts=1).count() == 3
    assert Batch.objects.filter(project=staging, attempts=0).count() == 2


def test_many_projects_at_work_wait_longer_for_each_other(monkeypatch: Any) -> None:
    for projects, times in ((1, 1), (10, 1), (50, 5)):
        monkeypatch.setattr(
            background, "deliver_due", lambda n=projects: deliver.Delivered(n, False, n)
        )
        background._deliver()
        assert background._deliverer.linger == background._LINGER_SECONDS * times
    monkeypatch.undo()
    background._deliverer.linger = background._LINGER_SECONDS
