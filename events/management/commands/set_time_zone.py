"""Changes the time zone of a project."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from config.building_blocks.command import ServiceCommand
from events.auditing.rezoning import set_time_zone
from events.management import failures
from projects.models import Project


class Command(ServiceCommand):
    help = (
        "Have the reports of a project in days of another time zone. Rebuilds its rollups, without"
        " stopping ingest or reports, which are slower meanwhile. If it breaks off, run it again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("zone", help="its name in the IANA database, such as Europe/Kyiv")

    def handle(self, *args: Any, slug: str, zone: str, **options: Any) -> None:
        project = Project.objects.filter(slug=slug, deleted_at=None).first()
        if project is None:
            raise CommandError(f"there is no project {slug!r}; manage.py list_projects shows them")
        self._began = time.monotonic()
        try:
            with failures.told():
                set_time_zone(project, zone, by="a command", done=self._print)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(f"the days of {slug} are those of {zone}")

    def _print(self, table: str) -> None:
        seconds = time.monotonic() - self._began
        self.stdout.write(f"{table}: rebuilt after {seconds:.1f} s")
