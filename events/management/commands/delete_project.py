"""Deletes a project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from config.building_blocks.command import ServiceCommand
from events.lifecycle.deleting import NotDeletable, begin, finish
from events.management import failures
from projects.models import Project


class Command(ServiceCommand):
    help = "Delete a project for good, with its events, keys, schemas and reports."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--yes", metavar="SLUG", help="the slug again, instead of being asked")

    def handle(self, *args: Any, slug: str, yes: str | None, **options: Any) -> None:
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            raise CommandError(f"there is no project {slug!r}; manage.py list_projects shows them")
        if yes is None:
            yes = _asked(slug)
        if yes != slug:
            raise CommandError("nothing was deleted: the slug was not repeated")
        try:
            with failures.told():
                begin(project, by="a command")
                finish()
        except NotDeletable as error:
            raise CommandError(f"{error}") from None
        self.stdout.write(f"deleted project {slug}")


def _asked(slug: str) -> str:
    """What is typed. Raises CommandError if nobody can answer."""
    try:
        return input(f"This deletes all events of {slug} for good. Type {slug} to go on: ")
    except EOFError:
        raise CommandError(
            f"nothing was deleted: the command asks on a terminal; --yes {slug} answers it"
        ) from None
