"""Rebuilds the rollups of the reports from the events."""

import time
from argparse import ArgumentParser
from typing import Any

from config.building_blocks.command import ServiceCommand
from events.auditing.rollups import rebuild_rollups
from events.management import failures
from events.management.days import add_days, days_of


class Command(ServiceCommand):
    help = (
        "Rebuild what the reports read from the events of ClickHouse, without stopping ingest or"
        " reports. Weeks of users are rebuilt whole, whatever the days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_days(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        start, end = days_of(options)
        self._began = time.monotonic()
        with failures.told():
            rebuild_rollups(start=start, end=end, done=self._print)

    def _print(self, table: str) -> None:
        seconds = time.monotonic() - self._began
        self.stdout.write(f"{table}: rebuilt after {seconds:.1f} s")
