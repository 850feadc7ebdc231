"""A day of many rows purged while clients post: how long it takes, and what they notice."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import psycopg

from tests.faults.clients import Clients
from tests.faults.service import Service
from tests.warm import Heard

_BEFORE_SECONDS, _AFTER_SECONDS = 1, 1


class Purge(NamedTuple):
    """`seconds` is what the command says it took, without the start of its interpreter."""

    rows: int
    seconds: float
    clients: Clients


def purge_under_load(service: Service, *, rows: int, pace: float = 0.0) -> Purge:
    """Purge one day of `rows` events amid requests, some seconds of them before and after."""
    day = datetime.now(UTC).date() - timedelta(days=9)
    _fill(service, day, rows)
    clients = Clients(service.port, service.places, seed=1, pace=pace)
    clients.start()
    time.sleep(_BEFORE_SECONDS)
    seconds = _purge(service)
    time.sleep(_AFTER_SECONDS)
    clients.stop()
    assert not _exists(service, day)
    return Purge(rows, seconds, clients)


def _fill(service: Service, day: date, rows: int) -> None:
    """Indexes are built at the end: row by row they would take minutes."""
    name = _partition(day)
    with psycopg.connect(service.variables["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {name} (LIKE hot_events)")
        connection.execute(
            f"INSERT INTO {name} SELECT gen_random_uuid(), timestamptz '{day} 00:00:00+00'"
            " + n %% 86400 * interval '1 second', 1, 'user ' || n %% 100000, 'page_view',"
            " json_build_object('n', n, 'country', 'UA') FROM generate_series(1, %s) AS n",
            [rows],
        )
        connection.execute(
            f"ALTER TABLE hot_events ATTACH PARTITION {name} FOR VALUES"
            f" FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
        )
        # As autovacuum has long done with a day that leaves the window.
        connection.execute(f"VACUUM ANALYZE {name}")


def _exists(service: Service, day: date) -> bool:
    with psycopg.connect(service.variables["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT to_regclass(%s)", [_partition(day)]).fetchone()
    return row != (None,)


def _partition(day: date) -> str:
    return f"hot_events_{day:%Y%m%d}"


def _purge(service: Service) -> float:
    command = Heard(service.environment(), "purge_hot_events")
    said, complaints = command.communicate()
    assert command.returncode == 0, complaints
    [seconds] = re.findall(r"dropped 1 days in (\S+) s", said.decode())
    return float(seconds)
