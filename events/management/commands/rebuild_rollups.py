"""Rebuilds the rollups of the reports from the events."""

import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from analytics.clickhouse import ClickHouseError
from events.alone import RepairRunning
from events.management.days import add_days, days_of
from events.rollups import rebuild_rollups


class Command(BaseCommand):
    help = (
        "Rebuild what the reports read from the events of ClickHouse, without stopping ingest or"
        " reports. Weeks of users are rebuilt whole, whatever the days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_days(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        start, end = days_of(options)
        self._began = time.monotonic()
        try:
            rebuild_rollups(start=start, end=end, done=self._print)
        except ClickHouseError as error:
            raise CommandError(f"ClickHouse failed: {error}") from error
        except (Error, psycopg.Error) as error:
            raise CommandError(f"PostgreSQL failed: {error}".strip()) from error
        except RepairRunning as error:
            raise CommandError(str(error)) from None

    def _print(self, table: str) -> None:
        seconds = time.monotonic() - self._began
        self.stdout.write(f"{table}: rebuilt after {seconds:.1f} s")
