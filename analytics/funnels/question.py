"""What a funnel is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias

from analytics.segments.expressions import ALL, Field, Segments
from analytics.zones import Zone

# Whether steps must follow each other, follow directly, or come at all.
Order: TypeAlias = Literal["ordered", "strict", "any"]
ORDERS: tuple[Order, ...] = ("ordered", "strict", "any")
LEAST_STEPS, MOST_STEPS = 2, 10
LEAST_WINDOW, MOST_WINDOW = timedelta(seconds=1), timedelta(days=366)


@dataclass(frozen=True)
class Question:
    """What a funnel is asked: 2 to 10 `steps`, each of the events that match it.

    A user enters from `start` to `end`, and has the `window` from there for all steps, also
    behind `end`. Only events of `segments` count. With `by` there is a line for each of the `top`
    values that most users entered with. `now` says whether all windows have ended.
    """

    project: int
    zone: Zone
    start: date
    end: date
    now: datetime
    steps: Sequence[Segments]
    window: timedelta
    order: Order = "ordered"
    segments: Segments = ALL
    by: Field | None = None
    top: int = 10
