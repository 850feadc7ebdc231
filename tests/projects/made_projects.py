"""Projects as a person would make them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from events.lifecycle import deleting, making
from events.models import Batch
from events.storing.store import store
from projects.keyring import keyring
from projects.models import Project
from tests.samples import event, framed


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


def put(number: int, count: int = 1) -> None:
    """Store new events in a project."""
    put_events(number, [event() for _ in range(count)])


def put_events(number: int, events: list[dict[str, Any]]) -> None:
    store(project=number, frames=[framed(events)], source=Batch.Source.QUEUE)


def delete(project: Project) -> None:
    """Delete a project with everything of it, unless that is done already."""
    deleting.begin(project, by="a test")
    deleting.finish()
