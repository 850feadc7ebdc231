"""How commands that work on both stores tell what failed."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management.base import CommandError
from django.db import Error

from analytics.clickhouse import ClickHouseError
from events.postgres.repair_lock import RepairRunning


@contextmanager
def told() -> Iterator[None]:
    """Raises CommandError naming the store, or the repair that is running already."""
    try:
        yield
    except ClickHouseError as error:
        raise CommandError(f"ClickHouse failed: {error}") from error
    except (Error, psycopg.Error) as error:
        raise CommandError(f"PostgreSQL failed: {error}".strip()) from error
    except RepairRunning as error:
        raise CommandError(str(error)) from None
