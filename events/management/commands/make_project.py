"""Makes a project."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from analytics.maintenance.migrate import SchemaChanged, ServerTooOld, WrongCluster
from config.building_blocks.command import ServiceCommand, invalid
from events.lifecycle.making import make
from events.management import failures
from events.management.project_options import NAMES
from projects.models import Project


class Command(ServiceCommand):
    help = "Make a project: an app, or a stage of one, with events, keys and reports of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits and hyphens")
        parser.add_argument("--name", default="", help="its name for people (default: the slug)")
        parser.add_argument(
            "--limit", type=int, help="requests a minute of all its clients together"
        )
        parser.add_argument("--quota", type=int, help="new events a month")
        parser.add_argument("--history", type=int, metavar="DAYS", help="days of events to keep")
        parser.add_argument(
            "--time-zone", default="UTC", metavar="ZONE", help="whose days its reports have"
        )

    def handle(self, *args: Any, slug: str, name: str, **options: Any) -> None:
        project = Project(
            slug=slug,
            name=name or slug,
            rate_limit_per_minute=options["limit"],
            events_per_month=options["quota"],
            history_days=options["history"],
            time_zone=options["time_zone"],
        )
        try:
            with failures.told():
                make(project)
        except ValidationError as error:
            raise invalid(error, NAMES) from None
        except (SchemaChanged, ServerTooOld, WrongCluster) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"made project {project.slug}, number {project.pk}")
        self.stdout.write(
            f"a key for it: manage.py make_api_key NAME --scope ingest --project {project.slug}"
        )
