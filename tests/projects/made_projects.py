"""Projects as a person would make them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from events.lifecycle import deleting, making
from projects.keyring import keyring
from projects.models import Project


@contextmanager
def project(slug: str = "staging", **fields: Any) -> Iterator[Project]:
    """A project with its tables, known to this process, and gone with them afterwards."""
    made = Project(slug=slug, name=slug.title(), **fields)
    making.make(made)
    keyring.forget()
    try:
        yield made
    finally:
        delete(made)
        keyring.forget()


def delete(project: Project) -> None:
    """Delete a project with everything of it, unless that is done already."""
    deleting.begin(project, by="a test")
    deleting.finish()
