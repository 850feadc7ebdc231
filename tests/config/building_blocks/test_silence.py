"""A PostgreSQL that hangs: it takes what it is sent, and answers nothing."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from psycopg import waiting
from psycopg_pool import ConnectionPool

from config.building_blocks import silence
from config.building_blocks.background_work import BackgroundWork
from tests import environment
from tests.faults.proxy import Mode, Proxy
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SLOW = "SELECT pg_sleep(0.5)"


@pytest.fixture
def door() -> Iterator[Proxy]:
    proxy = Proxy(urlsplit(environment.of_the_stores()["DATABASE_URL"]).port or 5432)
    yield proxy
    proxy.mode = Mode.OPEN
    proxy.close()


@pytest.fixture
def pool(door: Proxy) -> Iterator[ConnectionPool[silence.Connection]]:
    url = urlsplit(environment.of_the_stores()["DATABASE_URL"])
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{door.port}")).geturl()
    with ConnectionPool(
        through, connection_class=silence.Connection, min_size=1, max_size=1, timeout=5
    ) as made:
        yield made


def test_the_service_connects_so() -> None:
    connection.ensure_connection()
    assert type(connection.connection) is silence.Connection


def test_psycopg_waits_in_c() -> None:
    """Its loop in Python would take each statement several times as long."""
    assert waiting.wait is waiting.wait_c


def test_a_statement_fails_in_time_and_the_pool_makes_another_connection(
    door: Proxy, pool: ConnectionPool[silence.Connection]
) -> None:
    with pool.connection() as used:
        used.execute("SELECT 1")
    door.mode = Mode.HUNG
    began = time.monotonic()
    with (
        silence.limited(0.3),
        pytest.raises(psycopg.OperationalError, match=r"not answered within 0\.3 s"),
        pool.connection() as used,
    ):
        used.execute("SELECT 1")
    assert 0.3 <= time.monotonic() - began < 5
    assert used.closed
    door.mode = Mode.OPEN
    with pool.connection() as used:
        used.execute("SELECT 1")


def test_a_statement_may_take_any_time_where_nothing_limits_it(
    pool: ConnectionPool[silence.Connection],
) -> None:
    with pool.connection() as used, silence.limited(0.1), silence.limited(None):
        used.execute(SLOW)


@pytest.mark.parametrize("patient", [True, False])
def test_only_patient_work_in_the_background_may_take_any_time(
    monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    monkeypatch.setattr(silence._Limit, "seconds", 0.1)
    done: list[bool] = []

    def work() -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute(SLOW)
            done.append(True)
        except Exception:
            done.append(False)
        return True

    BackgroundWork("of a test", work, linger=0, longest_pause=1, patient=patient).soon()
    wait_until(lambda: done)
    assert done == [patient]
