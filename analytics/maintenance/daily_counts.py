"""Compares the rollup `daily_events` with the events. Only this rollup can count an event twice.

Days are those of the zone whose days the rollup holds (`projects.zones.rollup_zone`). 1969-12-31,
which zones west of Greenwich have, goes with 1970-01-01.
"""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import TypeAlias

from analytics import clickhouse
from analytics.maintenance import inventory
from analytics.queries import load
from analytics.zones import bounds, read_day, stored_day

# A day and an event type.
Key: TypeAlias = tuple[date, str]

# A new block becomes visible in `events` a moment before or after it does in a rollup. A difference
# that every look finds is a real one.
_LOOKS = 25
_PAUSE_SECONDS = 0.2
# So many keys fit into one field of a form even with the longest type names: a server accepts
# fields up to 128 KiB.
_KEYS_AT_ONCE = 100


def unlike(*, project: int, zone: str, start: date, end: date) -> dict[Key, int]:
    """For each wrong count of the rollup: how many events it counts too many (negative: too few).

    Takes 5 seconds if a count is wrong. Raises ClickHouseError.
    """
    looks = [_unlike(project, zone, start, end)]
    while looks[-1] and len(looks) < _LOOKS:
        time.sleep(_PAUSE_SECONDS)
        days = [day for day, _ in looks[-1]]
        again = _unlike(project, zone, min(days), max(days))
        looks.append({key: excess for key, excess in again.items() if key in looks[-1]})
    return {key: _usual([look[key] for look in looks]) for key in looks[-1]}


def _usual(excesses: list[int]) -> int:
    return Counter(excesses).most_common(1)[0][0]


def subtract(counts: Mapping[Key, int], *, project: int) -> None:
    """Subtract these numbers from the counts.

    Inserts corrections beside the rows that ingest inserts, so that neither undoes the other.
    """
    keys = list(counts)
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[first : first + _KEYS_AT_ONCE]
        clickhouse.command(
            load("daily_counts_subtract"),
            project=project,
            parameters={
                "days": [stored_day(day) for day, _ in some],
                "types": [event_type for _, event_type in some],
                "counts": [counts[key] for key in some],
            },
        )


def subtract_excess(counts: Mapping[Key, int], *, project: int, zone: str) -> None:
    """Subtract these numbers from the counts, but no more than the rollup counts too many.

    For events that ClickHouse lacks and that are about to be sent: the rollup may count them
    already. If the caller is interrupted after this call, the counts match the rows, and a second
    call changes nothing.
    """
    if not counts:
        return
    days = [day for day, _ in counts]
    excesses = unlike(project=project, zone=zone, start=min(days), end=max(days))
    surplus = {key: min(n, excesses.get(key, 0)) for key, n in counts.items()}
    subtract({key: n for key, n in surplus.items() if n > 0}, project=project)


def counted(*, project: int, zone: str, ids: list[str], start: date, end: date) -> dict[Key, int]:
    """How many events with these ids ClickHouse has, by day and type. Raises ClickHouseError.

    The events must be on the days from `start` to `end` in UTC, both included.
    """
    found: Counter[Key] = Counter()
    for some in inventory.chunks(ids):
        span = {"ids": some, "start": start, "end": end, "tz": zone}
        for day, event_type, count in inventory.ask("daily_counts_of", span, project=project):
            found[read_day(day), event_type] += count
    return found


def _unlike(project: int, zone: str, start: date, end: date) -> dict[Key, int]:
    start, end = max(inventory.FIRST_DAY, start), max(inventory.FIRST_DAY, end)
    span = {"start": start, "end": end, "tz": zone, **bounds(start, end, zone)}
    rows = inventory.ask("daily_counts_unlike", span, project=project)
    return {(read_day(day), event_type): excess for day, event_type, excess in rows}
