"""The quota of a project: what counts, what is refused, and what a store that is down changes."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django_redis import get_redis_connection
from structlog.testing import capture_logs

from config.building_blocks.background_work import BackgroundWork
from events.models import Batch
from events.queueing import queue
from events.queueing.backpressure import QueueFull
from events.storing import purge, quota, quota_counts
from events.storing.intake import store_messages
from importer.models import Import
from projects.keyring import keyring
from projects.models import Project
from tests.importer.importing import import_events, refused, rows_of, written
from tests.posting import post, post_some
from tests.projects.made_projects import project
from tests.samples import event, framed
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")

OF = "?project=staging"
WAIT = f"{OF}&wait=true"


@pytest.fixture
def staging() -> Iterator[Project]:
    """A project that may get 100 events a month."""
    with project("staging", events_per_month=100) as made:
        assert keyring.find_project("staging") == made.pk
        yield made


def used(project: Project) -> int:
    found = quota.used(project)
    assert found is not None
    return found.events


def test_a_project_gets_its_events_of_a_month_and_no_more(client: Client, staging: Project) -> None:
    assert post_some(client, 60, WAIT).status_code == 200
    assert post_some(client, 40, WAIT).status_code == 200
    refused = post_some(client, 1, OF)
    assert refused.status_code == 429
    assert "100 new events a month and has 0 left" in refused.json()["detail"]
    assert 0 < int(refused["Retry-After"]) <= 31 * 24 * 3600
    assert used(staging) == 100
    # Another project is none the worse.
    assert post_some(client, 1).status_code == 202


def test_a_request_that_crosses_the_quota_is_refused_whole_and_a_smaller_one_is_taken(
    client: Client, staging: Project
) -> None:
    assert post_some(client, 90, OF).status_code == 202
    refused = post_some(client, 11, OF)
    assert refused.status_code == 429
    assert "has 10 left" in refused.json()["detail"]
    assert used(staging) == 90
    assert post_some(client, 10, OF).status_code == 202


def test_only_valid_events_count(client: Client, staging: Project) -> None:
    bad = [event(user_id="") for _ in range(30)]
    answer = post(client, [event(), *bad], WAIT)
    assert answer.json()["accepted"] == 1
    assert post(client, bad, WAIT).status_code == 400
    assert used(staging) == 1


def test_an_event_that_is_sent_again_counts_once(client: Client, staging: Project) -> None:
    some = [event() for _ in range(30)]
    for _ in range(5):
        assert post(client, some, WAIT).status_code == 200
    assert used(staging) == 30
    assert post(client, some, OF).status_code == 202
    assert used(staging) == 60
    store_messages([message(staging, some)])
    assert used(staging) == 30


def test_rows_of_a_file_count_and_a_file_may_go_past_the_quota(
    client: Client, staging: Project, tmp_path: Path
) -> None:
    file = written(tmp_path / "events.csv", rows_of(120))
    import_events(file, "--project", "staging")
    assert used(staging) == 120
    assert post_some(client, 1, OF).status_code == 429


def test_no_file_begins_once_the_month_is_used_up(
    client: Client, admin_client: Client, staging: Project, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_FOLDER = tmp_path / "uploads"
    assert post_some(client, 100, WAIT).status_code == 200
    said = "the project may get 100 new events a month and has 0 left until"
    file = written(tmp_path / "events.csv", rows_of(1))
    assert said in refused(file, "--project", "staging")[1]
    upload = client.post(f"/imports{OF}", file.read_bytes(), content_type="text/csv")
    assert upload.status_code == 429
    assert 0 < int(upload["Retry-After"]) <= 31 * 24 * 3600
    assert said in upload.json()["detail"]
    form = {"project": staging.pk, "file": SimpleUploadedFile("june.csv", file.read_bytes())}
    answer = admin_client.post("/admin/importer/import/add/", form)
    assert said in answer.content.decode()
    assert not Import.objects.exists()
    # A check of its rows is no import.
    assert "nothing stored" in import_events(file, "--project", "staging", "--dry-run")[0]


def test_a_file_that_has_begun_goes_on_when_the_month_is_used_up(
    client: Client, staging: Project, tmp_path: Path
) -> None:
    file = written(tmp_path / "events.csv", rows_of(120))
    import_events(file, "--project", "staging")
    half = {"state": Import.State.STOPPED, "read": 60, "stored": 60}
    Import.objects.update(**half)
    assert "continued after 60 rows" in import_events(file, "--project", "staging")[0]
    assert "skipped" in import_events(file, "--project", "staging")[0]
    assert "has 0 left" in refused(file, "--project", "staging", "--force")[1]
    # With other options it begins anew.
    Import.objects.update(**half)
    assert "has 0 left" in refused(file, "--project", "staging", "--rest", "ignore")[1]
    assert Import.objects.get().read == 60


def test_an_upload_that_is_sent_again_gets_the_answer_it_had(
    client: Client, staging: Project, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_FOLDER = tmp_path / "uploads"
    file = written(tmp_path / "events.csv", rows_of(1)).read_bytes()

    def send() -> Any:
        headers = {"Idempotency-Key": "june"}
        return client.post(f"/imports{OF}", file, content_type="text/csv", headers=headers)

    first = send()
    assert post_some(client, 100, WAIT).status_code == 200
    again = send()
    assert (again.status_code, again.json()) == (202, first.json())


def test_a_lost_count_begins_anew_with_what_is_stored(client: Client, staging: Project) -> None:
    assert post_some(client, 60, WAIT).status_code == 200
    forget_counts()
    assert post_some(client, 41, WAIT).status_code == 429
    assert used(staging) == 60


def test_a_count_is_kept_for_an_hour_and_not_longer(client: Client, staging: Project) -> None:
    assert post_some(client, 1, OF).status_code == 202
    redis = get_redis_connection("rate_limit")
    [key] = redis.keys(f"quota:{staging.pk}:*")
    assert 3500 < redis.ttl(key) <= 3600
    assert post_some(client, 1, OF).status_code == 202
    assert 3500 < redis.ttl(key) <= 3600


def test_what_was_stored_before_the_month_does_not_count(client: Client, staging: Project) -> None:
    assert post_some(client, 60, WAIT).status_code == 200
    month = quota.month("UTC")[0]
    old, new = (
        quota_counts._first_id(month - timedelta(milliseconds=1)),
        quota_counts._first_id(month),
    )
    Batch.objects.filter(project=staging).update(id=old)
    forget_counts()
    assert used(staging) == 0
    Batch.objects.filter(pk=old).update(id=new)
    forget_counts()
    assert used(staging) == 60


def test_a_month_is_that_of_the_projects_time_zone() -> None:
    for zone in ("UTC", "Asia/Kathmandu", "America/Sao_Paulo"):
        first, following = quota.month(zone)
        now = datetime.now(ZoneInfo(zone))
        assert (first.year, first.month, first.day, first.hour) == (now.year, now.month, 1, 0)
        assert first <= now < following
        assert (following.day, following.hour) == (1, 0)
        assert following - first > timedelta(days=27)


def test_batches_of_the_month_stay_where_there_is_a_quota(
    client: Client, staging: Project, settings: Any
) -> None:
    settings.BATCH_DAYS = 1
    assert post_some(client, 60, WAIT).status_code == 200
    assert post_some(client, 1, "?wait=true").status_code == 200
    month = datetime.now(UTC).replace(day=1)
    wait_until(lambda: not Batch.objects.exclude(state=Batch.State.DELIVERED).exists())
    Batch.objects.update(created_at=month)
    assert purge.purge_batches(now=month.replace(day=28)) == 1
    assert used(staging) == 60
    # West of Greenwich the month still runs when the next one has begun in UTC.
    following = (month + timedelta(days=31)).replace(day=1, hour=3, minute=40)
    assert purge.purge_batches(now=following) == 0
    assert purge.purge_batches(now=following + timedelta(days=1)) == 1


@pytest.mark.parametrize("refusal", [QueueFull("it is full"), queue.QueueUnavailable()])
def test_events_that_the_queue_does_not_take_do_not_count(
    client: Client, staging: Project, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def refuse(**_: Any) -> None:
        raise refusal

    assert used(staging) == 0
    monkeypatch.setattr(queue, "put", refuse)
    assert post_some(client, 10, OF).status_code == 503
    assert used(staging) == 0


def test_events_are_taken_uncounted_while_postgresql_does_not_answer(
    client: Client, staging: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> int:
        raise OperationalError("down")

    monkeypatch.setattr(quota_counts, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(quota_counts, "_beginner", quick(quota_counts._begin_counts))
    stored = quota_counts._stored
    monkeypatch.setattr(quota_counts, "_stored", down)
    some = [event() for _ in range(1_000)]
    assert post(client, some, OF).status_code == 202
    monkeypatch.setattr(quota_counts, "_stored", stored)
    store_messages([message(staging, some)])
    wait_until(lambda: post_some(client, 1, OF).status_code == 429)


def quick(work: Callable[[], bool]) -> BackgroundWork:
    return BackgroundWork("quotas of a test", work, linger=0.0, longest_pause=0.1)


def test_the_log_says_once_that_little_is_left(client: Client, staging: Project) -> None:
    with capture_logs() as logs:
        for count in (79, 1, 5, 15):
            assert post_some(client, count, OF).status_code == 202
    said = [entry for entry in logs if entry["event"] == "quota_nearly_used"]
    assert [(entry["count"], entry["quota"]) for entry in said] == [(80, 100)]


def test_a_project_without_a_quota_asks_no_store(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_counts, "_run", None)
    assert post_some(client, 1, WAIT.replace("staging", "default")).status_code == 200


def message(project: Project, events: list[dict[str, Any]]) -> tuple[str, int]:
    """What the queue has of a request with these events."""
    return b64encode(framed(events)).decode(), project.pk


def forget_counts() -> None:
    redis = get_redis_connection("rate_limit")
    redis.delete(*redis.keys("quota:*"))
