"""Counts and drops whole months of a project's events. Months are those of UTC, like partitions."""

from datetime import UTC, date, datetime, time
from typing import NamedTuple

from analytics import clickhouse, cluster, inserting
from analytics.maintenance import inventory
from analytics.queries import load


class Month(NamedTuple):
    """The first day of a month, and how many events ClickHouse has of it."""

    first: date
    events: int


def months(*, project: int, before: date) -> list[Month]:
    """The months before a first day of a month that have events, oldest first.

    Raises ClickHouseError.
    """
    inserting.flush_buffer(project=project)
    moment = datetime.combine(before, time.min, UTC)
    rows = inventory.ask(
        "history_months", {"before": f"{moment:%Y-%m-%d %H:%M:%S}"}, project=project
    )
    return [Month(date.fromisoformat(first), events) for first, events in rows]


def drop(first: date, *, project: int) -> None:
    """Drop the events of the month that begins on `first`; safe to repeat.

    The rollups still have them: rebuild them. Raises ClickHouseError.
    """
    table = f"{cluster.local('events')}{cluster.on()}"
    clickhouse.command(
        load("history_drop").replace("/*events*/", table),
        project=project,
        parameters={"month": first.year * 100 + first.month},
        # By default a server keeps partitions of more than 50 GB from being dropped by mistake.
        options={"max_partition_size_to_drop": 0},
        seconds=clickhouse.SILENCE_SECONDS,
    )
