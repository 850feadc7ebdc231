"""Applies the ClickHouse schema."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from analytics import clickhouse
from analytics.maintenance.migrate import SchemaChanged, ServerTooOld, WrongCluster, apply_schema
from config.building_blocks.command import ServiceCommand


class Command(ServiceCommand):
    help = "Run the files of analytics/schema/*.sql that ClickHouse has not run yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=0,
            metavar="SECONDS",
            help="how long to wait until the server answers",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _wait(options["wait"])
            applied = apply_schema()
        except (clickhouse.ClickHouseError, SchemaChanged, ServerTooOld, WrongCluster) as error:
            raise CommandError(str(error)) from error
        for name in applied:
            self.stdout.write(f"applied {name}")
        if not applied:
            self.stdout.write("ClickHouse schema is up to date")


def _wait(seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return clickhouse.ping()
        except clickhouse.ClickHouseUnavailable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.2)
