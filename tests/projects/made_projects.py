"""Projects as a person would make them.

To make a database and to drop it takes longer than most tests. So one that is as it was made is
emptied and kept for the next project of its zone.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from analytics import clickhouse
from analytics.maintenance.migrate import drop_database
from events.lifecycle import deleting, making
from events.models import Batch, PropertySchema
from events.storing.store import store
from projects import counts
from projects.keyring import keyring
from projects.models import Project
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

# Numbers of databases that nobody uses, by the zone of their days.
_spare: dict[str, list[int]] = defaultdict(list)


@contextmanager
def new(slug: str) -> Iterator[Project]:
    """One with a database of its own, for tests of how projects are made."""
    made = Project(slug=slug, name=slug.title())
    making.make(made)
    try:
        yield made
    finally:
        delete(made)


@contextmanager
def project(slug: str = "staging", **fields: Any) -> Iterator[Project]:
    """A project with its tables, known to this process, and gone with them afterwards.

    Of two of one zone the second has the higher number.
    """
    made = Project(slug=slug, name=slug.title(), **fields)
    zone = made.time_zone
    if _spare[zone]:
        with patch.object(making, "_free_number", lambda: _spare[zone].pop(0)):
            making.make(made)
    else:
        making.make(made)
    tables = _tables(made.pk)
    keyring.forget()
    counts._named.pop(made.pk, None)
    try:
        yield made
    finally:
        _put_away(made, zone, tables)
        keyring.forget()


def _put_away(made: Project, zone: str, tables: list[Any]) -> None:
    # By its number, processes go on judging events by its schemas for some seconds.
    had_schemas = PropertySchema.objects.filter(project=made.pk).exists()

    def keep(*, project: int) -> None:
        if project == made.pk and not had_schemas and _tables(project) == tables:
            empty_clickhouse(project=project)
            insort(_spare[zone], project)
        else:
            drop_database(project=project)

    with patch.object(deleting, "drop_database", keep):
        delete(made)


def _tables(number: int) -> list[Any]:
    """None of a database that is not there."""
    return clickhouse.query_server(
        "SELECT name, create_table_query FROM system.tables"
        " WHERE database = {name:String} ORDER BY name",
        parameters={"name": clickhouse.database(project=number)},
    )


def drop_spares() -> None:
    """For whoever asks which databases there are."""
    for numbers in _spare.values():
        for number in numbers:
            drop_database(project=number)
    _spare.clear()


def put(number: int, count: int = 1) -> None:
    """Store new events in a project."""
    put_events(number, [event() for _ in range(count)])


def put_events(number: int, events: list[dict[str, Any]]) -> None:
    store(project=number, frames=[framed(events)], source=Batch.Source.QUEUE)


def delete(project: Project) -> None:
    """Delete a project with everything of it, unless that is done already."""
    deleting.begin(project, by="a test")
    deleting.finish()
