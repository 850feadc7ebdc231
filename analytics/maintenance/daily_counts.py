"""The rollup `daily_events` against the events: the only one in which an event can count twice."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import TypeAlias

from analytics import clickhouse
from analytics.maintenance import inventory
from analytics.queries import load

# Events of a day and a type.
Key: TypeAlias = tuple[date, str]

# A block shows in the events a moment before it shows in a rollup, or after. What differs whenever
# it is looked at is no such moment.
_LOOKS = 25
_PAUSE_SECONDS = 0.2
# Of the longest names of types they fit a form's field, which a server takes 128 KiB of.
_KEYS_AT_ONCE = 100


def unlike(*, start: date, end: date) -> dict[Key, int]:
    """By how much the rollup counts more than there are, or fewer; not what it counts rightly.

    Takes 5 seconds where something is wrong. Raises ClickHouseError.
    """
    looks = [_unlike(start, end)]
    while looks[-1] and len(looks) < _LOOKS:
        time.sleep(_PAUSE_SECONDS)
        days = [day for day, _ in looks[-1]]
        again = _unlike(min(days), max(days))
        looks.append({key: excess for key, excess in again.items() if key in looks[-1]})
    return {key: _usual([look[key] for look in looks]) for key in looks[-1]}


def _usual(excesses: list[int]) -> int:
    return Counter(excesses).most_common(1)[0][0]


def subtract(counts: Mapping[Key, int]) -> None:
    """Count so many fewer. Adds to what ingest adds, so that neither undoes the other."""
    keys = list(counts)
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[first : first + _KEYS_AT_ONCE]
        clickhouse.command(
            load("daily_counts_subtract"),
            parameters={
                "days": [day for day, _ in some],
                "types": [event_type for _, event_type in some],
                "counts": [counts[key] for key in some],
            },
        )


def subtract_excess(counts: Mapping[Key, int]) -> None:
    """Count so many fewer, as far as more are counted than there are.

    For events that aren't there and are about to be counted: they may be counted already. Cut short
    after this, the counts are those of the rows, and doing it again changes nothing.
    """
    if not counts:
        return
    days = [day for day, _ in counts]
    excesses = unlike(start=min(days), end=max(days))
    surplus = {key: min(n, excesses.get(key, 0)) for key, n in counts.items()}
    subtract({key: n for key, n in surplus.items() if n > 0})


def _unlike(start: date, end: date) -> dict[Key, int]:
    rows = inventory.ask("daily_counts_unlike", {"start": start, "end": end})
    return {(date.fromisoformat(day), event_type): excess for day, event_type, excess in rows}
