"""Applies the ClickHouse schema to the databases of the projects."""

import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django import db
from django.core.management.base import CommandError

from analytics import clickhouse
from analytics.maintenance.migrate import (
    SchemaChanged,
    ServerTooOld,
    WrongCluster,
    apply_schema,
    drop_database,
)
from config.building_blocks.command import ServiceCommand
from projects.models import Project

_FAILURES = (clickhouse.ClickHouseError, SchemaChanged, ServerTooOld, WrongCluster)


class Command(ServiceCommand):
    help = (
        "Run the files of analytics/schema/*.sql that ClickHouse has not run yet, in the database"
        " of each project. Migrate PostgreSQL first: it has the list of projects."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG", help="only for this project")
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
        except clickhouse.ClickHouseError as error:
            raise CommandError(str(error)) from error
        projects = _projects(options["project"])
        failed: list[str] = []
        applied = [self._apply(it, failed, named=len(projects) > 1) for it in projects]
        if failed:
            raise CommandError("\n".join(failed))
        if not any(applied):
            self.stdout.write("ClickHouse schema is up to date")

    def _apply(self, project: Project, failed: list[str], *, named: bool) -> bool:
        """Whether anything was applied. Says what, and with `named` to which project.

        A failure is added to `failed`, so that it keeps no other project from its schema.
        """
        prefix = f"{project.slug}: " if named else ""
        if _is_deleted(project):
            return False
        try:
            zone = project.rollup_zone or project.time_zone
            applied = apply_schema(project=project.pk, zone=zone)
            if _is_deleted(project):
                # Perhaps its database was dropped before the schema was applied.
                drop_database(project=project.pk)
                return False
        except _FAILURES as error:
            failed.append(f"{prefix}{error}")
            return False
        for name in applied:
            self.stdout.write(f"{prefix}applied {name}")
        return bool(applied)


def _is_deleted(project: Project) -> bool:
    return not Project.objects.filter(pk=project.pk, deleted_at=None).exists()


def _projects(slug: str | None) -> list[Project]:
    """The projects that are not deleted, the default project first. Raises CommandError."""
    found = Project.objects.filter(deleted_at=None).order_by("pk")
    try:
        projects = list(found if slug is None else found.filter(slug=slug))
    except (db.Error, psycopg.Error) as error:
        said = f"PostgreSQL can't list the projects (run manage.py migrate first): {error}"
        raise CommandError(said) from error
    if not projects:
        raise CommandError(f"there is no project {slug}")
    return projects


def _wait(seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return clickhouse.ping()
        except clickhouse.ClickHouseUnavailable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.2)
