"""Changes the limits of a project."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from config.building_blocks.command import ServiceCommand, invalid
from events.lifecycle.history import plan, told
from events.management import failures
from events.management.project_options import LIMITS, NAMES
from projects.models import Project


class Command(ServiceCommand):
    help = (
        "Change the limits of a project; 'none' ends one. Without options it shows them, and what"
        " goes next of a project that keeps its history for a number of days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--limit", type=_number, help="requests a minute of all its clients")
        parser.add_argument("--quota", type=_number, help="new events a month")
        parser.add_argument(
            "--history", type=_number, metavar="DAYS", help="days of events to keep"
        )

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        project = Project.objects.filter(slug=slug, deleted_at=None).first()
        if project is None:
            raise CommandError(f"there is no project {slug!r}; manage.py list_projects shows them")
        changed = [name for name in LIMITS if options[name] is not None]
        for name in changed:
            setattr(project, LIMITS[name], options[name] or None)
        try:
            project.full_clean()
        except ValidationError as error:
            raise invalid(error, NAMES) from None
        with failures.told():
            if changed:
                project.save(update_fields=[LIMITS[name] for name in changed])
            for name, field in LIMITS.items():
                value = getattr(project, field)
                self.stdout.write(f"{name}: {'none' if value is None else value}")
            if found := plan(project, today=datetime.now(UTC).date()):
                self.stdout.write(told(found))


def _number(text: str) -> int:
    """A number from 1 on; 0 for 'none'."""
    if text == "none":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is neither a number from 1 on nor 'none'")
    return int(text)
