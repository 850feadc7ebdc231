"""The table of ids that each project has: every event ever stored, so that none is stored twice.

A table for each project keeps the cost of one project as low as without projects, and the ids of a
deleted project are gone at once.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from events.sql import load


def table(project: int) -> str:
    """The name of the table of a project's ids."""
    return f"dedup_{project:d}"


def sql(name: str, project: int) -> str:
    """The statement of a file of `events.sql`, about the ids of a project."""
    return load(name).replace("/*dedup*/", table(project))


def make(project: int) -> None:
    """Make the table of a project, unless it is there."""
    with connection.cursor() as cursor:
        cursor.execute(sql("make_dedup", project))


def drop(project: int) -> None:
    """Drop the table of a project, if it is there."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table(project)}")


def pages(project: int) -> int:
    """How many pages the table has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int",
            [table(project)],
        )
        return int(cursor.fetchone()[0])


def stretches(project: int, size: int) -> Iterator[dict[str, int]]:
    """The bounds of each range of `size` pages of the table, as parameters of a statement."""
    for first in range(0, pages(project), size):
        yield {"first_page": first, "end_page": first + size}


def forget(project: int, *, ids: list[str]) -> int:
    """Delete ids, so that their events can be stored again. Returns how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table(project)} WHERE event_id = ANY(%s::uuid[])", [ids])  # noqa: S608
        return int(cursor.rowcount)


def purge(project: int, *, before: datetime, size: int) -> Iterator[int]:
    """Delete the ids first seen before a time, a range of `size` pages in each statement."""
    for stretch in stretches(project, size):
        with connection.cursor() as cursor:
            cursor.execute(sql("purge_dedup", project), {"before": before, **stretch})
            yield int(cursor.rowcount)
