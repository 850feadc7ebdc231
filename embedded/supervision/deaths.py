"""Counts a program's recent deaths: how long to wait before the next start, when to give up."""

from collections import deque

# Seconds until the next start, by the number of deaths within a minute. The last value also holds
# for more deaths.
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
MOST = 5
WITHIN_SECONDS = 60


class Deaths:
    """The deaths of one program. Times come from a monotonic clock."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._own: deque[float] = deque()

    def add(self, now: float, *, excused: bool) -> None:
        """An excused death makes the pauses longer but is no reason to give up."""
        for times in (self._all, self._own):
            while times and times[0] <= now - WITHIN_SECONDS:
                times.popleft()
        self._all.append(now)
        if not excused:
            self._own.append(now)

    @property
    def pause(self) -> float:
        """Seconds from the last death to the next start."""
        return PAUSES[min(len(self._all), len(PAUSES)) - 1]

    @property
    def too_many(self) -> bool:
        return len(self._own) >= MOST
