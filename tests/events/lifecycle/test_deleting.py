"""A deleted project leaves nothing behind, whatever happens to it meanwhile."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.test import Client
from psycopg.errors import UndefinedTable
from structlog.testing import capture_logs

from analytics import clickhouse as engine
from analytics.models import SavedSegment
from dashboard.models import Dashboard, SavedView
from events.delivery import deliver
from events.lifecycle import deleting
from events.models import Batch, Dedup, HotEvent, RejectedEvent
from events.postgres.repair_lock import RepairRunning, alone
from events.storing import intake
from events.storing.store import ProjectGone
from importer.models import Import
from projects.models import DEFAULT, ApiKey, Membership, Project
from tests.factories import ImportFactory, PropertySchemaFactory, SavedSegmentFactory
from tests.posting import post
from tests.projects.made_keys import bearer, made
from tests.projects.made_people import member
from tests.projects.made_projects import delete, project, put
from tests.samples import event, framed
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def staging() -> Iterator[Project]:
    with project("staging") as made_project:
        yield made_project


def databases() -> set[str]:
    rows = engine.query("SELECT name FROM system.databases", project=DEFAULT)
    return {name for (name,) in rows}


def rows_of(number: int) -> list[int]:
    tables = (
        *(HotEvent, Batch, RejectedEvent, Import, ApiKey, Membership, SavedSegment),
        *(SavedView, Dashboard),
    )
    return [table.objects.filter(project_id=number).count() for table in tables]


def test_everything_of_it_goes_and_nothing_else(staging: Project, rejected_kept: None) -> None:
    put(DEFAULT, 3)
    put(staging.pk)
    deliver_all()
    made("read", project=staging)
    member("admin", staging)
    ImportFactory.create(project=staging)
    PropertySchemaFactory.create(project=staging)
    SavedSegmentFactory.create(project=staging)
    for table in (SavedView, Dashboard):
        table.objects.create(project=staging, name="Weekly")
        table.objects.create(name="Weekly")
    RejectedEvent.objects.create(
        project=staging, client="c", event_id="", field="", code="", message="", raw="", raw_bytes=0
    )
    name = engine.database(project=staging.pk)
    assert name in databases()
    with capture_logs() as logs:
        call_command("delete_project", "staging", "--yes=staging")
    assert rows_of(staging.pk) == [0] * 9
    assert rows_of(DEFAULT)[-2:] == [1, 1]
    assert name not in databases()
    assert set(Project.objects.values_list("slug", flat=True)) == {"default", None}
    assert HotEvent.objects.count() == Dedup.objects.count() == 3
    told = [(one["event"], one["slug"]) for one in logs if "slug" in one]
    assert told == [("project_deletion_began", "staging"), ("project_deleted", "staging")]


def test_it_asks_for_the_slug_first(staging: Project) -> None:
    with pytest.raises(CommandError, match="nothing was deleted"):
        call_command("delete_project", "staging", "--yes=default")
    with pytest.raises(CommandError, match="there is no project 'other'"):
        call_command("delete_project", "other", "--yes=other")
    assert Project.objects.filter(slug="staging", deleted_at=None).exists()


def test_without_a_terminal_it_says_which_option_answers(
    staging: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    with pytest.raises(CommandError, match=r"nothing was deleted: .* --yes staging answers"):
        call_command("delete_project", "staging")
    assert Project.objects.filter(slug="staging", deleted_at=None).exists()


def test_the_default_project_stays() -> None:
    with pytest.raises(CommandError, match="the default project can't be deleted"):
        call_command("delete_project", "default", "--yes=default")
    assert Project.objects.filter(pk=DEFAULT, deleted_at=None).exists()


def test_events_that_wait_on_the_queue_are_dropped_and_told(staging: Project) -> None:
    messages = [(b64encode(framed([event()])).decode(), number) for number in (staging.pk, DEFAULT)]
    delete(staging)
    with capture_logs() as logs:
        intake.store_messages(messages)
    [told] = [one for one in logs if one["event"] == "events_of_deleted_project"]
    assert (told["project"], told["count"]) == (staging.pk, 1)
    assert list(HotEvent.objects.values_list("project_id", flat=True)) == [DEFAULT]
    assert not Batch.objects.exclude(project=DEFAULT).exists()


def test_a_block_on_its_way_lands_nowhere(staging: Project, no_delivery: None) -> None:
    put(staging.pk)
    put(DEFAULT, 3)
    claim = deliver._claim(Q(project=staging.pk))
    assert claim is not None
    delete(staging)
    with pytest.raises(engine.ClickHouseUnavailable):
        deliver._deliver(claim)
    deliver_all()
    counted = engine.query("SELECT count() FROM events", project=DEFAULT)
    assert counted == [[3]]
    assert engine.database(project=staging.pk) not in databases()


def test_nobody_stores_into_it_any_more(staging: Project, client: Client) -> None:
    _, secret = made("ingest", project=staging)
    assert post(client, [event()], "?wait=true", **bearer(secret)).status_code == 200
    delete(staging)
    with pytest.raises(ProjectGone):
        put(staging.pk)
    # A process that has not read the projects again since.
    assert post(client, [event()], "?wait=true", **bearer(secret)).status_code == 404
    assert not HotEvent.objects.exists()


def test_a_deletion_waits_for_a_repair_and_goes_on_later(staging: Project) -> None:
    put(staging.pk)
    with alone(), suppress(RepairRunning):
        delete(staging)
    row = Project.objects.get(pk=staging.pk)
    assert (row.slug, row.deleted_at is None) == ("staging", False)
    assert deleting.finish() == 1
    assert Project.objects.get(pk=staging.pk).slug is None
    assert not HotEvent.objects.exists()


def test_many_batches_that_name_each_other_are_deleted(
    staging: Project, no_delivery: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(deleting, "_BITE", 2)
    for _ in range(5):
        put(staging.pk)
    deliver.deliver_due()
    assert Batch.objects.exclude(merged_into=None).count() == 4
    delete(staging)
    assert not Batch.objects.exists()


def test_what_is_written_a_moment_later_goes_too(staging: Project) -> None:
    delete(staging)
    refused = {"client": "c", "event_id": "", "field": "", "code": "", "message": "", "raw": ""}
    RejectedEvent.objects.create(project=staging, raw_bytes=0, **refused)
    assert deleting.finish() == 0
    assert not RejectedEvent.objects.exists()


def test_events_of_an_unknown_project_are_set_aside(client: Client) -> None:
    """PostgreSQL is that of a backup, older than a project of which events wait on the queue."""
    text = b64encode(framed([event()])).decode()
    intake.store_messages([(text, 2**31 - 2), (text, DEFAULT)])
    assert HotEvent.objects.count() == 1
    parked = Batch.objects.get(state=Batch.State.UNSTORED)
    assert (parked.project_id, parked.received) == (None, 1)
    assert "there is no project" in parked.error


def test_a_table_of_ids_that_is_missing_costs_no_event() -> None:
    """PostgreSQL is empty, or not yet restored: the messages go back."""
    text = b64encode(framed([event()])).decode()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dedup_1 RENAME TO away")
    try:
        with pytest.raises(UndefinedTable):
            intake.store_messages([(text, DEFAULT)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO dedup_1")
    assert not Batch.objects.exists()


@pytest.mark.parametrize("step", ["_drop_ids", "_delete_rows", "drop_database"])
def test_a_deletion_that_broke_off_is_finished(
    staging: Project, step: str, monkeypatch: Any
) -> None:
    put(staging.pk)
    deliver_all()

    def broken(*_: Any, **__: Any) -> None:
        raise engine.ClickHouseUnavailable("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(deleting, step, broken)
        with pytest.raises(engine.ClickHouseUnavailable):
            delete(staging)
    assert deleting.finish() == 1
    assert rows_of(staging.pk) == [0] * 9
    assert engine.database(project=staging.pk) not in databases()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"dedup_{staging.pk}"])
        assert cursor.fetchone() == (None,)
