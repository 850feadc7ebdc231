"""Rebuilds the rollups of the reports from the events."""

import time
from argparse import ArgumentParser
from functools import partial
from typing import Any

from config.building_blocks.command import ServiceCommand
from events.auditing.rollups import rebuild_rollups
from events.management import failures
from events.management.days import add_days, days_of
from projects.management.project_option import add_project, or_deleted, projects_of
from projects.models import Project


class Command(ServiceCommand):
    help = (
        "Rebuild the tables of the reports (rollups) from the events in ClickHouse. Ingest and"
        " reports continue. The tables of weeks are rebuilt as a whole, even with --from and --to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_project(parser, without="all projects")
        add_days(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        start, end = days_of(options)
        self._began = time.monotonic()
        with failures.told():
            for project in projects_of(options):
                done = partial(self._print, project)
                with or_deleted(project):
                    rebuild_rollups(project=project.pk, start=start, end=end, done=done)

    def _print(self, project: Project, table: str) -> None:
        seconds = time.monotonic() - self._began
        self.stdout.write(f"{project}: {table}: rebuilt after {seconds:.1f} s")
