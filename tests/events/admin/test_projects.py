"""The admin's pages of projects, and the choice of a project in the others."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from analytics import clickhouse as engine
from analytics import zones
from events.auditing import rezoning
from events.lifecycle import deleting, making
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT, Project
from tests.factories import AdminFactory
from tests.faults.proxy import Mode, Proxy
from tests.projects.made_projects import delete, project
from tests.samples import event, framed
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")

PROJECTS = "/admin/projects/project/"
EVENTS = "/admin/events/hotevent/"


@pytest.fixture
def admin_client(client: Client) -> Client:
    client.force_login(AdminFactory.create())
    return client


@pytest.fixture
def staging() -> Iterator[Project]:
    with project("staging") as made:
        yield made


def shown(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def test_a_project_is_made_renamed_and_listed(admin_client: Client) -> None:
    form = {"slug": "my-app", "name": "My app", "time_zone": "Europe/Kyiv"}
    listed = shown(admin_client.post(f"{PROJECTS}add/", form, follow=True))
    row = Project.objects.get(slug="my-app")
    try:
        assert engine.query("SELECT count() FROM events", project=row.pk) == [[0]]
        assert "my-app" in listed
        changes = {"slug": "other", "name": "Our app", "rate_limit_per_minute": "70"}
        form = form_of(row, **changes)
        admin_client.post(f"{PROJECTS}{row.pk}/change/", form)
        row.refresh_from_db()
        assert (row.slug, row.name, row.rate_limit_per_minute) == ("my-app", "Our app", 70)
        assert (row.time_zone, row.rollup_zone) == ("Europe/Kyiv", "Europe/Kyiv")
    finally:
        delete(row)


def form_of(row: Project, **changes: Any) -> dict[str, Any]:
    no_members = {"membership_set-TOTAL_FORMS": "0", "membership_set-INITIAL_FORMS": "0"}
    return {"name": row.name, "time_zone": row.time_zone, **no_members, **changes}


def test_the_zone_of_a_project_is_changed_and_its_days_are_made(
    admin_client: Client, staging: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rezoning, "_wait_for_reports", lambda: None)
    late = event(occurred_at="2025-01-05T20:00:00.000Z")
    store(project=staging.pk, frames=[framed([late])], source=Batch.Source.QUEUE)
    deliver_all()
    url = f"{PROJECTS}{staging.pk}/change/"
    answer = admin_client.post(url, form_of(staging, time_zone="Asia/Kathmandu"), follow=True)
    assert "Reports have the new days now" in shown(answer)
    wait_until(lambda: Project.objects.get(pk=staging.pk).rollup_zone == "Asia/Kathmandu")
    days = engine.query("SELECT DISTINCT day FROM daily_users", project=staging.pk)
    assert days == [["2025-01-06"]]
    answer = admin_client.post(url, form_of(staging, time_zone="Mars/Olympus"), follow=True)
    assert "is no time zone" in shown(answer)


def test_a_change_of_the_zone_that_broke_off_is_shown_and_finished_by_the_hourly_task(
    admin_client: Client, staging: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rezoning, "_wait_for_reports", lambda: None)
    rezoning.begin(staging, "Asia/Kathmandu", by="a person")
    assert "reports are slower" in shown(admin_client.get(PROJECTS))
    rezoning.begin(staging, "America/Sao_Paulo", by="a person")
    rezoning.finish()
    row = Project.objects.get(pk=staging.pk)
    assert row.rollup_zone == row.time_zone == "America/Sao_Paulo"
    assert "reports are slower" not in shown(admin_client.get(PROJECTS))


def test_limits_are_set_and_what_they_mean_is_told(admin_client: Client, staging: Project) -> None:
    old = event(occurred_at="2025-01-05T20:00:00.000Z")
    store(project=staging.pk, frames=[framed([old])], source=Batch.Source.QUEUE)
    deliver_all()
    url = f"{PROJECTS}{staging.pk}/change/"
    limits = {"events_per_month": "1", "history_days": "100"}
    page = shown(admin_client.post(url, form_of(staging, **limits), follow=True))
    assert "those of 2025-01 are dropped for ever: 1." in page
    assert "⚠ 1 of 1 (100 %) until" in page
    row = Project.objects.get(pk=staging.pk)
    assert (row.events_per_month, row.history_days) == (1, 100)
    assert "are dropped for ever: 1." in shown(admin_client.get(url))
    wrong = {"events_per_month": "-1", "history_days": "0"}
    assert shown(admin_client.post(url, form_of(staging, **wrong))).count("errorlist") == 2


def test_a_zone_that_is_none_is_an_error_in_the_form(admin_client: Client) -> None:
    form = {"slug": "my-app", "name": "My app", "time_zone": "Europe/Atlantis"}
    assert "is no time zone" in shown(admin_client.post(f"{PROJECTS}add/", form))


@pytest.mark.parametrize("slug", ["", "My App", "default", "a" * 41])
def test_a_wrong_slug_is_an_error_in_the_form(admin_client: Client, slug: str) -> None:
    answer = admin_client.post(f"{PROJECTS}add/", {"slug": slug, "name": "x", "time_zone": "UTC"})
    assert "errorlist" in shown(answer)
    assert Project.objects.exclude(slug=None).count() == 1


def test_clickhouse_that_is_down_is_told(admin_client: Client, monkeypatch: Any) -> None:
    def gone(**_: Any) -> None:
        raise engine.ClickHouseUnavailable("gone")

    monkeypatch.setattr(making, "apply_schema", gone)
    form = {"slug": "my-app", "name": "My app", "time_zone": "Europe/Kyiv"}
    answer = admin_client.post(f"{PROJECTS}add/", form, follow=True)
    assert "Nothing was made: ClickHouse failed: gone." in shown(answer)
    assert Project.objects.exclude(slug=None).count() == 1


@pytest.fixture
def hanging(
    clickhouse: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """Has ClickHouse hang until the end of the test, with connections from better times."""
    port = urlsplit(settings.CLICKHOUSE_URL).port
    door = Proxy(port)
    settings.CLICKHOUSE_URL = settings.CLICKHOUSE_URL.replace(f":{port}", f":{door.port}")
    # Far more than a person waits, and less than the default: for a test that fails.
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = settings.CLICKHOUSE_INSERT_TIMEOUT_SECONDS = 10
    monkeypatch.setattr(engine, "PING_TIMEOUT_SECONDS", 0.5)
    engine.ping()
    default = Project.objects.filter(pk=DEFAULT)
    default.update(history_days=400)

    def hang() -> None:
        door.mode = Mode.HUNG

    yield hang
    default.update(history_days=None, rate_limit_per_minute=None)
    door.mode = Mode.OPEN
    door.close()


@pytest.mark.parametrize("ask", ["look", "limit", "make", "make in a zone"])
def test_clickhouse_that_hangs_is_not_waited_for(
    admin_client: Client, hanging: Callable[[], None], ask: str
) -> None:
    row = Project.objects.get(pk=DEFAULT)
    page = f"{PROJECTS}{DEFAULT}/change/"
    limits = form_of(row, slug="default", history_days="500", rate_limit_per_minute="70")
    new = {"slug": "my-app", "name": "My app", "time_zone": "UTC"}
    zones._names.cache_clear()
    hanging()
    began = time.monotonic()
    if ask == "look":
        assert "ClickHouse can&#x27;t be reached" in shown(admin_client.get(page))
    elif ask == "limit":
        assert admin_client.post(page, limits).status_code == 302
        assert Project.objects.get(pk=DEFAULT).rate_limit_per_minute == 70
    else:
        zone = "Europe/Kyiv" if "zone" in ask else "UTC"
        answer = admin_client.post(f"{PROJECTS}add/", {**new, "time_zone": zone}, follow=True)
        assert "Nothing was made: ClickHouse failed" in shown(answer)
    assert time.monotonic() - began < 5


def test_deleting_asks_for_the_slug(admin_client: Client, staging: Project) -> None:
    url = f"{PROJECTS}{staging.pk}/delete/"
    assert "Type staging to go on" in shown(admin_client.get(url))
    assert "Nothing was deleted" in shown(admin_client.post(url, {"slug": "stagin"}))
    assert Project.objects.filter(pk=staging.pk, deleted_at=None).exists()
    answer = admin_client.post(url, {"slug": "staging"}, follow=True)
    assert "The project staging answers nobody from now on" in shown(answer)
    wait_until(lambda: Project.objects.get(pk=staging.pk).slug is None)
    assert "staging" not in shown(admin_client.get(PROJECTS))


def test_a_project_that_is_being_deleted_is_listed_so(
    admin_client: Client, staging: Project
) -> None:
    deleting.begin(staging, by="me")
    assert "is being deleted" in shown(admin_client.get(PROJECTS))


def test_the_default_project_can_not_be_deleted(admin_client: Client) -> None:
    answer = admin_client.post(f"{PROJECTS}{DEFAULT}/delete/", {"slug": "default"})
    assert answer.status_code == 403
    assert Project.objects.filter(pk=DEFAULT).exists()


def test_hot_events_are_those_of_one_project(admin_client: Client, staging: Project) -> None:
    same = event()
    for number, user in ((DEFAULT, "mine"), (staging.pk, "theirs")):
        frames = [framed([{**same, "user_id": user}])]
        store(project=number, frames=frames, source=Batch.Source.QUEUE)
    default = shown(admin_client.get(EVENTS))
    assert ("mine" in default, "theirs" in default) == (True, False)
    chosen = shown(admin_client.get(EVENTS, {"project": staging.pk}))
    assert ("mine" in chosen, "theirs" in chosen) == (False, True)
    link = f"{EVENTS}{same['event_id']}/change/"
    assert "mine" in shown(admin_client.get(link))
    filters = {"_changelist_filters": f"project={staging.pk}"}
    assert "theirs" in shown(admin_client.get(link, filters))


@pytest.mark.parametrize("value", ["x", "-1", "9" * 30, "²", ""])
def test_a_project_that_is_none_in_the_address_is_the_default(
    admin_client: Client, value: str
) -> None:
    assert admin_client.get(EVENTS, {"project": value}).status_code == 200
