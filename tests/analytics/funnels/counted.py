"""The funnel of one user by brute force: every increasing chain of events is tried."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tests.analytics.oracle import Event, day

Matches = Callable[[Event], bool]
_NO_STEP = 15


@dataclass(frozen=True)
class Asked:
    """What a funnel is asked; `window` is in milliseconds."""

    start: date
    end: date
    zone: str
    steps: Sequence[Matches]
    window: int
    order: str


def took(events: Sequence[Event], asked: Asked) -> list[int]:
    """The milliseconds from the entry to each step that the user reached; none: never entered.

    The events are those of one user that match the segments, in any order.
    """
    came = [one for event in events if (one := _Came(event, asked)).is_there]
    came.sort(key=lambda one: one.place)
    reached: list[int] = []
    for count in range(1, len(asked.steps) + 1):
        chains = _CHAINS[asked.order](came, asked, count)
        arrivals = [(last, first) for first, last in chains]
        if not arrivals:
            break
        at = min(last for last, _ in arrivals)
        entry = max(first for last, first in arrivals if last == at)
        reached.append(came[at].ms - came[entry].ms)
    return reached


def entered_with(events: Sequence[Event], asked: Asked) -> list[Event]:
    """The user's first entry; several, if nothing tells which of them was first."""
    came = [one for event in events if (one := _Came(event, asked)).is_entry]
    first = min(one.place for one in came)
    return [one.event for one in came if one.place == first]


class _Came:
    """An event with what the funnel sees of it."""

    def __init__(self, event: Event, asked: Asked) -> None:
        self.event = event
        moment = datetime.fromisoformat(event["occurred_at"])
        self.ms = round(moment.timestamp() * 1000)
        self.steps = [n for n, matches in enumerate(asked.steps) if matches(event)]
        first = self.steps[0] + 1 if self.steps else _NO_STEP
        self.place = (self.ms, first, sum(1 << n for n in self.steps))
        on = day(event, asked.zone)
        self.is_in_range = asked.start <= on <= asked.end
        enters = bool(self.steps) if asked.order == "any" else 0 in self.steps
        self.is_entry = self.is_in_range and enters
        # What is no step stands between two steps only where they must follow directly.
        self.is_there = on >= asked.start and (asked.order == "strict" or bool(self.steps))


def _in_order(
    came: Sequence[_Came], asked: Asked, count: int, *, directly: bool = False
) -> Iterator[tuple[int, int]]:
    """The first and the last place of every chain of so many steps."""

    def after(chain: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        if len(chain) == count:
            yield chain[0], chain[-1]
            return
        follow = [chain[-1] + 1] if directly else range(chain[-1] + 1, len(came))
        for n in follow:
            is_next = n < len(came) and len(chain) in came[n].steps
            if is_next and came[n].ms - came[chain[0]].ms <= asked.window:
                yield from after((*chain, n))

    for n, one in enumerate(came):
        if one.is_entry:
            yield from after((n,))


def _directly(came: Sequence[_Came], asked: Asked, count: int) -> Iterator[tuple[int, int]]:
    return _in_order(came, asked, count, directly=True)


def _in_any_order(came: Sequence[_Came], asked: Asked, count: int) -> Iterator[tuple[int, int]]:
    """The places of an entry and of an event until which so many of the steps came."""
    for n, one in enumerate(came):
        if one.is_entry:
            found: set[int] = set()
            for last in range(n, len(came)):
                if came[last].ms - one.ms > asked.window:
                    break
                found |= {*came[last].steps}
                if len(found) >= count:
                    yield n, last


_CHAINS: dict[str, Any] = {"ordered": _in_order, "strict": _directly, "any": _in_any_order}


def most_in_any_window(events: Sequence[Event], asked: Asked) -> int:
    """The most steps with an event in a window that begins with any step's event in the range."""
    came = [one for event in events if (one := _Came(event, asked)).is_there]
    entries = [one.ms for one in came if one.is_entry]
    windows = (
        {step for one in came if ms <= one.ms <= ms + asked.window for step in one.steps}
        for ms in entries
    )
    return max(map(len, windows), default=0)


def milliseconds(window: timedelta) -> int:
    return window // timedelta(milliseconds=1)
