"""What a trend is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from analytics.segments.expressions import ALL, Field, Segments
from analytics.trends.buckets import Unit
from analytics.trends.measures import USERS, Measure
from analytics.zones import Zone

Compare: TypeAlias = Literal["previous", "year"]
COMPARES: tuple[Compare, ...] = ("previous", "year")


@dataclass(frozen=True)
class Question:
    """What a trend is asked.

    `series` are named segments; one that is None has all events. With `by` there are lines for the
    `top` values of the field. `now` says which buckets have ended.
    """

    project: int
    zone: Zone
    start: date
    end: date
    now: datetime
    unit: Unit = "day"
    measure: Measure = USERS
    segments: Segments = ALL
    series: Sequence[tuple[str | None, Segments]] = ((None, ALL),)
    by: Field | None = None
    top: int = 10
    compare: Compare | None = None
    deadline: float = float("inf")
