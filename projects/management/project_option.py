"""The option --project of commands: one project by its slug, or all of them."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError

from projects.models import DEFAULT, Project


def add_project(parser: ArgumentParser, *, without: str = "the default project") -> None:
    """Add the option; `without` says in the help what a command does if it is left out."""
    parser.add_argument("--project", metavar="SLUG", help=f"of this project (default: {without})")


def project_of(options: Mapping[str, Any]) -> int:
    """The number of the project of the option, or of the default project. Raises CommandError."""
    return DEFAULT if options["project"] is None else _named(options["project"]).pk


def projects_of(options: Mapping[str, Any]) -> list[Project]:
    """The project of the option, or all projects in order of number. Raises CommandError."""
    if options["project"] is not None:
        return [_named(options["project"])]
    return list(Project.objects.filter(deleted_at=None).order_by("pk"))


@contextmanager
def or_deleted(project: Project) -> Iterator[None]:
    """Ignore what fails in the block because the project was deleted meanwhile."""
    try:
        yield
    except Exception:
        if Project.objects.filter(pk=project.pk, deleted_at=None).exists():
            raise


def _named(slug: str) -> Project:
    found = Project.objects.filter(slug=slug, deleted_at=None).first()
    if found is None:
        raise CommandError(f"there is no project {slug!r}; manage.py list_projects shows them")
    return found
