"""What a comparison of the two stores finds: differences, and a report that counts them."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

# Names of each day and kind that a report shows.
_EXAMPLES = 3


class Kind(StrEnum):
    """What can be wrong, in words that follow a number of events."""

    MISSING_COLD = "missing in ClickHouse"
    MISSING_HOT = "missing in the hot layer"
    UNKNOWN = "not in dedup"
    LOST = "lost: only dedup has the id"
    DOUBLED_COLD = "doubled in ClickHouse"
    DOUBLED_HOT = "doubled in the hot layer"
    MOVED = "on another day in ClickHouse"
    ROLLUP = "event types miscounted in daily_events"


class Difference(NamedTuple):
    """Events of one day of a project with the same fault. One day may have several differences.

    `names` are ids, or event types if the kind is ROLLUP. `day` is None if it is unknown.
    """

    project: int
    kind: Kind
    day: date | None
    names: list[str]


@dataclass
class Tally:
    """How many names the differences have, and some of these names."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What was compared and what was found: events of each store, and differences by day and kind.

    `known` is None if dedup was not compared as a whole. `waiting` and `failed` are numbers of
    events in the outbox, which are not a difference.
    """

    project: int
    hot: int = 0
    cold: int = 0
    known: int | None = None
    waiting: int = 0
    failed: int = 0
    found: dict[tuple[date | None, Kind], Tally] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        return sum(tally.count for tally in self.found.values())

    def add(self, difference: Difference) -> None:
        tally = self.found.setdefault((difference.day, difference.kind), Tally())
        tally.count += len(difference.names)
        tally.examples += difference.names[: _EXAMPLES - len(tally.examples)]
