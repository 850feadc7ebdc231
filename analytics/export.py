"""Events out of ClickHouse as they were stored, a block at a time."""

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import date
from typing import NamedTuple

from analytics import clickhouse
from analytics.maintenance.inventory import FIRST_DAY, LAST_DAY
from analytics.queries import load_with
from analytics.segments import Segment, condition


class Block(NamedTuple):
    """Some events, a column each: `occurred_at` as `2026-01-01T00:00:00.123Z`, `properties` as the
    JSON text that was stored.
    """

    event_id: Sequence[str]
    occurred_at: Sequence[str]
    user_id: Sequence[str]
    event_type: Sequence[str]
    properties: Sequence[str]


def events(
    *, start: date | None = None, end: date | None = None, segments: Sequence[Segment] = ()
) -> Generator[Block]:
    """All that ClickHouse has of the days, both included, and the segments, in no order.

    They are those of the moment at which the first block is asked for. Raises ClickHouseError at
    any block; a result that ends is complete.
    """
    days = {"start": max(start or FIRST_DAY, FIRST_DAY), "end": min(end or LAST_DAY, LAST_DAY)}
    if days["start"] > days["end"]:
        return  # ClickHouse would take a day before 1970 for the first of 1970
    clickhouse.flush_buffer()
    where = condition(segments)
    blocks = clickhouse.stream(
        load_with("export_events", condition=where.sql),
        parameters={**days, **where.parameters},
        options={"log_comment": clickhouse.log_comment("export_events")},
    )
    with closing(blocks):
        for block in blocks:
            yield Block(*block)
