"""How many events a look reads: a field that completes can't wait until all were read."""

import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings

from analytics.asking import ask
from analytics.queries import load
from analytics.trends.sources import RAW, range_of, range_parameters
from analytics.zones import Zone

KEPT_SECONDS = 10
_KEPT = 1_000
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True)
class Question:
    """Which events to look at: of which days, of which type, and whether really at all of them."""

    project: int
    zone: Zone
    start: date
    end: date
    event_type: str | None = None
    all: bool = False


@dataclass(frozen=True)
class Look:
    """The events that are looked at: from `start` to `end`, and there one block in `one_in`.

    With `complete`, they are all that were asked for.
    """

    start: date
    end: date
    one_in: int = 1
    complete: bool = True


def look(question: Question, *, most: int) -> Look:
    """The newest days that have about `most` events together; of days with far more, only a part.

    Whole days, because a part of a long range would hardly have the rare types. At least half as
    many events and at most half as many more. Raises ClickHouseError.
    """
    everything = Look(question.start, question.end)
    if question.all:
        return everything
    first, near, total = _counted(question, most)
    one_in = max(1, (near + most // 2) // most)
    if near == total:
        return replace(everything, one_in=one_in, complete=one_in == 1)
    start = max(question.start, min(first, question.end))
    return Look(start, question.end, one_in=one_in, complete=False)


def _counted(question: Question, most: int) -> tuple[date, int, int]:
    """The first of the newest days, their events, and all events.

    The rollup has days of one zone. For another, a day more on both sides has all events.
    """
    beside = timedelta(days=0 if question.zone.is_rolled_up else 1)
    return _newest(
        question.project,
        max(FIRST_DAY, question.start - beside),
        min(LAST_DAY, question.end + beside),
        question.event_type or "",
        most,
        (settings.CLICKHOUSE_URL, time.monotonic() // KEPT_SECONDS),
    )


@lru_cache(_KEPT)
def _newest(
    project: int, start: date, end: date, event_type: str, most: int, _while: tuple[str, float]
) -> tuple[date, int, int]:
    """Kept for some seconds: who types a name asks again with every letter.

    What is kept says how far back a look goes. The events themselves are read each time.
    """
    asked = {"start": start, "end": end, "type": event_type, "most": most}
    sql = load("discovery_days")
    [(first, near, total)] = ask("discovery_days", sql, project=project, parameters=asked)
    return date.fromisoformat(first), int(near), int(total)


def condition(question: Question, seen: Look) -> str:
    """SQL for the events that are looked at. What always holds is left out: it has its price."""
    parts = [range_of(RAW, question.zone.name)]
    if question.event_type:
        parts.append("event_type = {type:String}")
    if seen.one_in > 1:
        parts.append(load("discovery_block"))
    return " AND ".join(parts)


def parameters(question: Question, seen: Look) -> dict[str, Any]:
    """The parameters of the condition."""
    return {
        "tz": question.zone.name,
        "type": question.event_type or "",
        "step": seen.one_in,
        **range_parameters(seen.start, seen.end, question.zone.name),
    }
