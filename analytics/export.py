"""Events out of ClickHouse as they were stored, a block at a time."""

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from typing import NamedTuple

from analytics import clickhouse, inserting
from analytics.maintenance.inventory import FIRST_DAY, LAST_DAY
from analytics.queries import load_with
from analytics.segments.expressions import ALL, Segments
from analytics.segments.translating import Scope, condition


class Block(NamedTuple):
    """Some events, as columns. `occurred_at` is written `2026-01-01T00:00:00.123Z`.

    `properties` is the JSON text that was stored.
    """

    event_id: Sequence[str]
    occurred_at: Sequence[str]
    user_id: Sequence[str]
    event_type: Sequence[str]
    properties: Sequence[str]


def events(
    *,
    project: int,
    start: date | None = None,
    end: date | None = None,
    segments: Segments = ALL,
) -> Generator[Block]:
    """All events of a project from `start` to `end`, both included, that match the segments.

    They come in no order. They are the events that ClickHouse has when the first block is
    requested. The windows of segments end with `end`, or else today. Any block may raise
    ClickHouseError. A result that ends without an error is complete.
    """
    days = {"start": max(start or FIRST_DAY, FIRST_DAY), "end": min(end or LAST_DAY, LAST_DAY)}
    if days["start"] > days["end"]:
        return  # ClickHouse would read a day before 1970 as 1970-01-01
    inserting.flush_buffer(project=project)
    last = min(days["end"], datetime.now(UTC).date()) if end is None else days["end"]
    where = condition(segments, Scope("UTC", last, is_rolled_up=False))
    blocks = clickhouse.stream(
        load_with("export_events", condition=where.sql),
        project=project,
        parameters={**days, **where.parameters},
        options={"log_comment": clickhouse.log_comment("export_events")},
    )
    with closing(blocks):
        for block in blocks:
            yield Block(*block)
