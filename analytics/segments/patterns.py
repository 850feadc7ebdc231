"""Regular expressions in segments: ClickHouse says which it understands."""

from functools import lru_cache

from django.conf import settings

from analytics import clickhouse
from analytics.clickhouse import ClickHouseUnavailable
from analytics.queries import load
from analytics.segments.expressions import Comparison, InvalidSegment, Segments

# ClickHouse's code for a pattern that it can't compile.
_CANNOT_COMPILE = 427
_KEPT = 1_000


def check(segments: Segments) -> None:
    """Raises InvalidSegment for a pattern that ClickHouse refuses, and ClickHouseError."""
    for condition in segments.conditions():
        if isinstance(condition, Comparison) and condition.operator == "match":
            complaint = _complaint(condition.values[0], settings.CLICKHOUSE_URL)
            if complaint:
                raise InvalidSegment(condition.place, complaint)


@lru_cache(_KEPT)
def _complaint(pattern: str, _url: str) -> str:
    """What ClickHouse says against the pattern; a process asks about each once."""
    try:
        clickhouse.query_server(load("pattern"), parameters={"pattern": pattern})
    except ClickHouseUnavailable as error:
        if error.code != _CANNOT_COMPILE:
            raise
        _, _, reason = str(error).partition(f"{pattern}, error: ")
        return f"the pattern can't be used: {reason.partition('. Look at')[0] or 'see RE2'}"
    return ""
