"""Errors of commands that work on both stores."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management.base import CommandError
from django.db import Error

from analytics.clickhouse import ClickHouseError
from events.postgres.repair_lock import RepairRunning


@contextmanager
def told() -> Iterator[None]:
    """Turn a failure in the block into a CommandError.

    It names the store that failed, or says that another repair is running.
    """
    try:
        yield
    except ClickHouseError as error:
        raise CommandError(f"ClickHouse failed: {error}") from error
    except (Error, psycopg.Error) as error:
        raise CommandError(f"PostgreSQL failed: {error}".strip()) from error
    except RepairRunning as error:
        raise CommandError(str(error)) from None
