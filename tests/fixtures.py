"""Fixtures around the real stores: each test that names one finds it empty."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.template import Template
from django.test import Client, TransactionTestCase
from django_redis import get_redis_connection
from prometheus_client import REGISTRY
from whitenoise.middleware import WhiteNoiseMiddleware

from analytics import clickhouse as service
from analytics.discovery import looking
from analytics.maintenance import daily_counts
from analytics.maintenance.migrate import drop_database
from events.delivery import background
from events.ingest import rejected
from events.models import Batch
from projects.keyring import keyring
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests import web_server
from tests.clickhouse import apply_schema
from tests.factories import AdminFactory
from tests.lane import LaneClient
from tests.stored import deliver_all
from tests.waiting import wait_until
from tests.web_server import Web

# A hash is slow on purpose: a third of a second for each admin that a test makes. This one the
# processes that tests start can check as well.
PBKDF2PasswordHasher.iterations = 1

# What migrations and Django itself have put there, for good.
_KEPT = [
    *("django_migrations", "django_content_type", "auth_permission", "django_celery_beat_%"),
    "projects",
]
_FILLED = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
  AND pg_relation_size(oid) > 0 AND NOT relname LIKE ANY(%s)
"""


def _empty_postgresql(case: TransactionTestCase) -> None:
    """Instead of Django's flush: that empties every table of ours and makes all permissions anew.

    It took longer than most tests, and knows managed tables only.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FILLED, [_KEPT])
        [names] = cursor.fetchone()
        if names:
            cursor.execute(f"TRUNCATE {names} CASCADE")
        cursor.execute("DELETE FROM projects WHERE id > 1 RETURNING id")
        for (number,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE IF EXISTS dedup_{number}")


TransactionTestCase._fixture_teardown = _empty_postgresql  # type: ignore[attr-defined]


_rendering: Any = Template
_render = _rendering._render
_static_files: dict[str, Any] = {}
_find_static_files = WhiteNoiseMiddleware.add_files_from_finders


def _add_static_files(middleware: WhiteNoiseMiddleware) -> None:
    """They are looked for once, and not for each client: that took longer than most requests."""
    if not _static_files:
        _find_static_files(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


WhiteNoiseMiddleware.add_files_from_finders = _add_static_files


# One statement empties all tables, at the price of one that names a single table, but it takes one
# pattern only. These it has to spare: the first is what the schema knows of itself, and the second
# has nothing of its own to empty.
_SPARED, _LIKE_SPARED = {"schema_files", "events_buffer"}, "%f%"


@pytest.fixture(scope="session")
def clickhouse_schema() -> None:
    apply_schema()
    found = engine.query(
        "SELECT name FROM system.tables"
        " WHERE database = currentDatabase() AND name LIKE {spared:String}",
        parameters={"spared": _LIKE_SPARED},
    )
    spared = {name for (name,) in found}
    assert spared == _SPARED, "other tables have such names and would not be emptied"


@pytest.fixture
def clickhouse(clickhouse_schema: None) -> None:
    """ClickHouse with our tables, empty."""
    empty_clickhouse()


def empty_clickhouse(*, project: int = DEFAULT) -> None:
    looking._newest.cache_clear()
    engine.command(
        f"TRUNCATE TABLES FROM {{name:Identifier}} NOT LIKE '{_LIKE_SPARED}'",
        project=project,
        parameters={"name": service.database(project=project)},
    )


@pytest.fixture(scope="session")
def web(
    django_db_setup: None, clickhouse_schema: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """The real web server, for all that need nothing special. Its processes count together."""
    metrics = tmp_path_factory.mktemp("metrics")
    with web_server.running(METRICS_FOLDER=str(metrics)) as running:
        yield running


@pytest.fixture
def stores(transactional_db: None, clickhouse: None) -> Iterator[None]:
    """All stores empty and commits real."""
    yield
    # Or this process's delivery thread would go on into the next test. Whoever was killed in the
    # test delivers no more.
    Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=None)
    deliver_all()


@pytest.fixture
def no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered but by the test.

    Nor by this process's thread, which may still be in the pause after a failure of another test.
    """
    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    monkeypatch.setattr(background._deliverer, "_work", lambda: True)


@pytest.fixture
def by_hand(no_delivery: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered, and nothing on its way to a rollup, but by the test.

    So a second look at the counts finds what 25 would, in a twelfth of the time.
    """
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(daily_counts, "_LOOKS", 3)


@pytest.fixture
def rejected_kept(stores: None) -> Iterator[None]:
    """What another thread has to write of refused events is written in the end."""
    yield
    wait_until(lambda: not rejected._waiting)


@pytest.fixture
def few_series() -> None:
    """None of earlier requests: `/metrics` has thousands of lines of them, for half a second."""
    for metric in set(REGISTRY._names_to_collectors.values()):
        if getattr(metric, "_name", "").startswith(("django_http_", "api_request_")):
            metric.clear()  # type: ignore[attr-defined]


@pytest.fixture
def client(db: None, request: pytest.FixtureRequest) -> Client:
    """Every request looks for keys in PostgreSQL. Where it may not, each first one waits 5 s.

    Events go the way that they go in the server; where a module says BOTH_WAYS, also through Django
    alone.
    """
    return Client() if getattr(request, "param", "") == "Django" else LaneClient()


@pytest.fixture
def admin_client(db: None, client: Client) -> Client:
    """Of a superuser; pytest-django's would have a password, which takes long to hash."""
    client.force_login(AdminFactory.create(username="admin"))
    return client


@pytest.fixture(scope="session", autouse=True)
def _render_as_the_service(django_test_environment: None) -> None:
    """Django's tests copy what each template is given. Ours look at the pages alone."""
    _rendering._render = _render


@pytest.fixture(autouse=True)
def _empty_redis() -> None:
    """No test inherits a rate limit or a queued message."""
    for alias in ("default", "rate_limit"):
        get_redis_connection(alias).flushdb()


@pytest.fixture(autouse=True)
def _no_keys() -> None:
    """No test inherits the API keys that this process has read."""
    keyring.forget()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Iterator[int]:
    """A project whose rollups hold days of the zone that is its parameter."""
    number = 1_000
    apply_schema(project=number, zone=request.param)
    yield number
    drop_database(project=number)
