"""Clients that send and send again, and remember what they were promised."""

import json
import random
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any
from uuid import UUID

from embedded import ports

SIZES = (1, 1, 5, 50, 300, 1000)
TYPES = ("page_view", "click", "purchase", "Größe", 'q"uote\\')
USERS = 3_000
# A share of the events lies outside the hot window, and in other months.
OLD_SHARE = 0.2
TIMEOUT_SECONDS = 30.0
_EPOCH = datetime.now(UTC)


def event(number: int, copy: int) -> dict[str, Any]:
    """Event `number`, the same whenever it is made, but for `copy`: who sent which one first?"""
    chance = random.Random(number)
    days = chance.uniform(8, 400) if chance.random() < OLD_SHARE else chance.uniform(0, 5)
    return {
        "event_id": str(event_id(number)),
        "occurred_at": (_EPOCH - timedelta(days=days)).isoformat(timespec="milliseconds"),
        "user_id": f"user {chance.randrange(USERS)}",
        "event_type": chance.choice(TYPES),
        "properties": {"copy": copy, "n": number, "text": "2026-01-01", "none": None},
    }


def event_id(number: int) -> UUID:
    return UUID(int=0xA11CE << 108 | 4 << 76 | 2 << 62 | number)


def number_of(event_id: str) -> int:
    return UUID(event_id).int & (1 << 62) - 1


class Gap:
    """The longest seconds between one answer and the next; `note` is called at each."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last: float | None = None
        self._lock = threading.Lock()

    def note(self) -> None:
        with self._lock:
            now = time.monotonic()
            self.longest = max(self.longest, now - (now if self._last is None else self._last))
            self._last = now


class Clients:
    """Threads that post at load until told to stop; `accepted[n]` is 1 once n was promised."""

    def __init__(
        self,
        port: int,
        *,
        seed: int,
        threads: int = 4,
        pace: float = 0.0,
        accepted: bytearray | None = None,
    ) -> None:
        """Given what was `accepted` of others, they go on from there."""
        self._port, self._pace = port, pace
        self.accepted = bytearray() if accepted is None else accepted
        self.statuses: Counter[int | str] = Counter()
        self.sent = self.repeated = 0
        self.longest = 0.0
        self.promises = Gap()
        self._lock = threading.Lock()
        self._copies = 0
        self._running = True
        # What one client sends for the first time another sends at the same moment.
        self._twins: deque[range] = deque(maxlen=threads)
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 100 + n),))
            for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._running = False
        for thread in self._threads:
            thread.join()

    def claim(self, count: int) -> range:
        """Numbers that nobody has used."""
        with self._lock:
            first = len(self.accepted)
            self.accepted.extend(bytes(count))
        return range(first, first + count)

    def promise(self, numbers: range) -> None:
        self.accepted[numbers.start : numbers.stop] = b"\1" * len(numbers)

    def _run(self, chance: random.Random) -> None:
        while self._running:
            numbers, repeated = self._choose(chance)
            body = self._body(numbers)
            path = chance.choice(("/events", "/events", "/events?wait=true"))
            # A refused request is sent again until it is taken, as a client's outbox would.
            while not self._post(path, body) and self._running:
                time.sleep(0.2)
            with self._lock:
                self.sent += len(numbers)
                self.repeated += repeated
            time.sleep(self._pace)

    def _choose(self, chance: random.Random) -> tuple[range, int]:
        """New numbers, or a stretch of old ones, or what another client is sending now."""
        kind, size = chance.random(), chance.choice(SIZES)
        if kind < 0.1 and self._twins:
            twin = self._twins.popleft()
            return twin, len(twin)
        if kind < 0.45 and self.accepted:
            first = chance.randrange(len(self.accepted))
            old = range(first, min(first + size, len(self.accepted)))
            return old, len(old)
        new = self.claim(size)
        self._twins.append(new)
        return new, 0

    def _body(self, numbers: range) -> tuple[range, bytes]:
        with self._lock:
            self._copies += 1
            copy = self._copies
        return numbers, json.dumps([event(number, copy) for number in numbers]).encode()

    def _post(self, path: str, body: tuple[range, bytes]) -> bool:
        began = time.monotonic()
        status = self._status(path, body[1])
        with self._lock:
            self.statuses[status] += 1
            self.longest = max(self.longest, time.monotonic() - began)
        if status in (200, 202):
            self.promise(body[0])
            self.promises.note()
            return True
        return False

    def _status(self, path: str, body: bytes) -> int | str:
        connection = HTTPConnection(ports.HOST, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        except TimeoutError:
            return "timeout"
        except (OSError, HTTPException):
            return "broken off"
        finally:
            connection.close()
