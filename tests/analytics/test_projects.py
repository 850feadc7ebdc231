"""Two projects side by side in ClickHouse: neither sees what the other has."""

import uuid
from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain
from typing import Any

import pytest
from django.test import Client

from analytics import clickhouse, export, inserting
from analytics.maintenance import daily_counts, inventory, rebuild, surplus
from analytics.maintenance.migrate import drop_database
from projects.models import DEFAULT, Project
from tests import clickhouse as engine
from tests.analytics import written
from tests.analytics.comparison import compare_answers, deliver
from tests.clickhouse import apply_schema
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse")

# Numbers that no project of another test gets; the second has no database.
OTHER, MISSING = 30_000, 30_001
DAY = date(2025, 1, 6)
ID = "0198a1b2-0000-7000-8000-000000000001"
Asked = Callable[[int], object]

# Whatever looks at the events of a project, and finds nothing if there are none.
LOOKS: dict[str, Asked] = {
    "export": lambda project: list(export.events(project=project)),
    "counts": lambda project: inventory.counts(project=project, start=DAY, end=DAY),
    "digests": lambda project: inventory.digests(project=project, start=DAY, end=DAY),
    "listed": lambda project: inventory.listed(
        project=project, start=DAY, end=DAY, mask=0, buckets=[0]
    ),
    "days": lambda project: inventory.days(project=project, ids=[ID]),
    "copies": lambda project: inventory.copies(project=project, ids=[ID], start=DAY, end=DAY),
    "events": lambda project: [*chain(*inventory.events(project=project, day=DAY, ids=[ID]))],
}


@pytest.fixture(scope="module")
def other_database() -> Iterator[int]:
    apply_schema(project=OTHER)
    yield OTHER
    drop_database(project=OTHER)


@pytest.fixture
def other(other_database: int) -> int:
    """Another project beside the default one, without events."""
    apply_schema(project=OTHER)
    empty_clickhouse(project=OTHER)
    return OTHER


def put(project: int, *, token: str = "", **changes: Any) -> None:
    sent = event(**{"event_id": ID, "occurred_at": "2025-01-06T12:00:00Z", **changes})
    token = token or str(uuid.uuid4())
    inserting.insert_block(project=project, token=token, body=framed([sent]))


def rows(project: int, table: str = "events") -> int:
    [[count]] = engine.query(f"SELECT count() FROM {table}", project=project)
    return int(count)


def test_each_project_is_answered_from_its_own_events(other: int) -> None:
    histories = {DEFAULT: written.WEEKS, other: written.HALVES}
    for project, history in histories.items():
        deliver(history.events, blocks=history.blocks, project=project, again=True)
    for project, history in histories.items():
        for question in [*written.WEEKS.questions, *written.HALVES.questions]:
            compare_answers(history.events, question, project=project)


@pytest.mark.parametrize("has_it", ["the default one", "the other"])
def test_what_one_project_has_is_not_found_in_another(other: int, has_it: str) -> None:
    one, another = (DEFAULT, other) if has_it == "the default one" else (other, DEFAULT)
    put(one)
    for name, look in LOOKS.items():
        assert look(one), name
        assert not look(another), name


def test_a_token_of_one_project_means_nothing_in_another(other: int) -> None:
    for project in (DEFAULT, other, DEFAULT, other):
        put(project, token="one")
    assert (rows(DEFAULT), rows(other)) == (1, 1)


def test_what_waits_in_memory_reaches_the_events_of_its_project(other: int, settings: Any) -> None:
    settings.CLICKHOUSE_USE_BUFFER = True
    put(other)
    assert rows(other) == 0
    inserting.flush_buffer(project=DEFAULT)
    assert rows(other) == 0
    inserting.flush_buffer(project=other)
    assert (rows(other), rows(DEFAULT)) == (1, 0)


def test_counts_are_corrected_in_one_project_alone(
    other: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.001)
    for project in (DEFAULT, other):
        put(project)
    daily_counts.subtract({(DAY, "page_view"): 1}, project=other)
    assert daily_counts.unlike(project=DEFAULT, zone="UTC", start=DAY, end=DAY) == {}
    assert daily_counts.unlike(project=other, zone="UTC", start=DAY, end=DAY) == {
        (DAY, "page_view"): -1
    }
    daily_counts.subtract_excess({(DAY, "page_view"): 1}, project=other, zone="UTC")
    daily_counts.subtract({(DAY, "page_view"): -1}, project=other)
    assert daily_counts.unlike(project=other, zone="UTC", start=DAY, end=DAY) == {}


def test_surplus_copies_go_from_one_project_alone(other: int) -> None:
    for project in (DEFAULT, DEFAULT, other, other):
        put(project)
    assert surplus.remove(project=other, zone="UTC", ids=[ID]) == []
    assert (rows(DEFAULT), rows(other)) == (2, 1)
    assert daily_counts.unlike(project=other, zone="UTC", start=DAY, end=DAY) == {}


@pytest.mark.parametrize("table", rebuild.ALL)
def test_a_rollup_is_rebuilt_from_the_events_of_its_project(other: int, table: str) -> None:
    put(DEFAULT)
    put(other, user_id="u1")
    put(other, user_id="u2")
    for project in (DEFAULT, other):
        engine.command(f"TRUNCATE TABLE {table}", project=project)
    rebuild.rebuild(table, project=other, start=DAY, end=DAY)
    assert (rows(DEFAULT, table), rows(other, table)) == (0, 2)
    put(other, user_id="u3")
    put(DEFAULT)
    assert (rows(DEFAULT, table), rows(other, f"{table} FINAL")) == (1, 3)


# --- which project a request asks for


@pytest.mark.django_db(transaction=True)
def test_a_report_is_about_the_project_that_the_request_names(client: Client) -> None:
    staging = Project.objects.create(pk=77, slug="staging", name="Staging")
    apply_schema(project=staging.pk)
    try:
        put(staging.pk)
        for query, found in (
            ("dau?from=2025-01-06&to=2025-01-06", [{"date": "2025-01-06", "unique_users": 1}]),
            ("top-events?from=2025-01-06&to=2025-01-06", [{"event_type": "page_view", "count": 1}]),
            ("retention?start_date=2025-01-06&windows=1", None),
        ):
            of_staging = client.get(f"/stats/{query}&project=staging")
            assert of_staging.status_code == 200
            assert found is None or of_staging.json() == found
            of_default = client.get(f"/stats/{query}").json()
            assert of_default == client.get(f"/stats/{query}&project=default").json()
            assert of_default != of_staging.json()
    finally:
        drop_database(project=staging.pk)


@pytest.mark.django_db(transaction=True)
def test_a_report_about_a_project_that_there_is_not_is_not_found(client: Client) -> None:
    for query in ("dau?from=2025-01-06&to=2025-01-06", "retention?start_date=2025-01-06"):
        answer = client.get(f"/stats/{query}&project=nobodys")
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"


# --- databases that are missing


@pytest.mark.parametrize(
    "call",
    [
        lambda: engine.query("SELECT 1", project=MISSING),
        lambda: list(engine.stream("SELECT 1", project=MISSING)),
        lambda: engine.command("OPTIMIZE TABLE events", project=MISSING),
        lambda: put(MISSING),
        lambda: list(export.events(project=MISSING)),
        lambda: inventory.counts(project=MISSING, start=DAY, end=DAY),
    ],
    ids=["query", "stream", "command", "insert", "export", "inventory"],
)
def test_a_project_whose_database_is_missing_is_unavailable(call: Callable[[], object]) -> None:
    with pytest.raises(clickhouse.ClickHouseUnavailable) as raised:
        call()
    assert raised.value.code == 81


@pytest.mark.django_db(transaction=True)
def test_a_report_of_a_project_without_a_database_is_unavailable(client: Client) -> None:
    Project.objects.create(pk=77, slug="staging", name="Staging")
    answer = client.get("/stats/dau?from=2025-01-06&to=2025-01-06&project=staging")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


def test_a_block_waits_for_the_schema_of_its_own_project(other: int) -> None:
    put(DEFAULT)
    put(other)
    clickhouse.command_server(
        "DROP DATABASE {name:Identifier} SYNC",
        parameters={"name": clickhouse.Identifier(clickhouse.database(project=other))},
    )
    with pytest.raises(clickhouse.ClickHouseUnavailable):
        put(other)
    apply_schema(project=other)
    put(other)
    engine.command(
        "ALTER TABLE schema_files DELETE WHERE name LIKE '0004%' SETTINGS mutations_sync = 2",
        project=other,
    )
    inserting.forget_schema(project=other)
    with pytest.raises(clickhouse.ClickHouseUnavailable, match="lacks 0004_weekly_users"):
        put(other)
    put(DEFAULT)
    assert rows(DEFAULT) == 2
