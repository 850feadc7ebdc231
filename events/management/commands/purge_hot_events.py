"""Drops the days that have left the hot window, as beat does every night."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from config.building_blocks.command import ServiceCommand
from events.storing.purge import PurgeBlocked, purge_hot


class Command(ServiceCommand):
    help = "Drop the days before the hot window from PostgreSQL; ClickHouse keeps everything."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="drop nothing, only list days")
        parser.add_argument("--days", type=_days, help="days to keep (default: HOT_WINDOW_DAYS)")

    def handle(self, *args: Any, dry_run: bool, days: int | None, **options: Any) -> None:
        began = time.monotonic()
        try:
            purged = purge_hot(now=datetime.now(UTC), days=days, dry_run=dry_run)
        except PurgeBlocked as error:
            raise CommandError(str(error)) from None
        verb = "would drop" if dry_run else "dropped"
        for partition in purged:
            size = filesizeformat(partition.bytes)
            self.stdout.write(f"{verb} {partition.day}: about {partition.events} events, {size}")
        self.stdout.write(f"{verb} {len(purged)} days in {time.monotonic() - began:.2f} s")


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > 36_500:
        raise ArgumentTypeError(f"{text!r} is not a number of days from 0 to 36500")
    return int(text)
