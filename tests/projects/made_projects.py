"""Projects as a person would make them."""

from collections.abc import Iterator
from contextlib import contextmanager

from events.lifecycle import deleting, making
from projects.keyring import keyring
from projects.models import Project


@contextmanager
def project(slug: str = "staging") -> Iterator[Project]:
    """A project with its tables, known to this process, and gone with them afterwards."""
    made = making.make(slug=slug, name=slug.title())
    keyring.forget()
    try:
        yield made
    finally:
        if Project.objects.filter(pk=made.pk).exists():
            deleting.delete(made, by="a test")
        keyring.forget()
