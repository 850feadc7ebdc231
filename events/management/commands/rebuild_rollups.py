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
        "Rebuild the tables of the reports (rollups) from the events in ClickHouse. Ingest and"
        " reports continue. The tables of weeks are rebuilt as a whole, even with --from and --to."
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
