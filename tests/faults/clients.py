"""Clients that send and send again, and remember what they were promised."""

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from embedded import ports
from tests.faults.places import Place, Places

SIZES = (1, 1, 5, 50, 300, 1000)
TYPES = ("page_view", "click", "purchase", "Größe", 'q"uote\\')
USERS = 3_000
# A share of the events lies outside the hot window, and in other months.
OLD_SHARE = 0.2
TIMEOUT_SECONDS = 30.0
# One of several clients sends an event a request, as browsers do; the others send many too.
SENDERS = ("browser", "program")
_BROWSER = 1
_EPOCH = datetime.now(UTC)


def event(number: int, copy: int, project: str) -> dict[str, Any]:
    """Event `number`, always the same but for `copy` (which was first?) and its project."""
    chance = random.Random(number)
    days = chance.uniform(8, 400) if chance.random() < OLD_SHARE else chance.uniform(0, 5)
    return {
        "event_id": str(event_id(number)),
        "occurred_at": (_EPOCH - timedelta(days=days)).isoformat(timespec="milliseconds"),
        "user_id": f"user {chance.randrange(USERS)}",
        "event_type": chance.choice(TYPES),
        "properties": {
            "copy": copy,
            "project": project,
            "n": number,
            "text": "2026-01-01",
            "none": None,
        },
    }


def event_id(number: int) -> UUID:
    return UUID(int=0xA11CE << 108 | 4 << 76 | 2 << 62 | number)


def number_of(event_id: str) -> int:
    """Of its last 48 bits alone: the count at the end asks this of every row, several times."""
    return int(event_id[-12:], 16)


def sender_of(request_id: str) -> str:
    return request_id.partition("-")[0]


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


class _Request(NamedTuple):
    sender: str
    place: Place
    numbers: range
    path: str
    headers: dict[str, str]
    body: bytes


class Clients:
    """Threads that post at load until told to stop, and note what they send and are promised."""

    def __init__(
        self,
        port: int,
        places: Places,
        *,
        seed: int,
        threads: int = 4,
        pace: float = 0.0,
        to: Sequence[Place] = (),
    ) -> None:
        """They send to the projects that stay, unless `to` names others."""
        self._port, self._pace = port, pace
        self.places, self._to = places, to or places.stay
        self.statuses: Counter[int | str] = Counter()
        # By the id of the request; each try has its own.
        self.answers: dict[str, int | str] = {}
        self.sent = self.repeated = self.again = 0
        self.longest = 0.0
        self.promises = Gap()
        self._lock = threading.Lock()
        self._copies = 0
        self._running = True
        # What one client sends for the first time another sends at the same moment, perhaps to
        # another project.
        self._twins: deque[tuple[Place, range]] = deque(maxlen=threads)
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 100 + n), n == _BROWSER))
            for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._running = False
        for thread in self._threads:
            thread.join()

    def _run(self, chance: random.Random, is_browser: bool) -> None:
        while self._running:
            place, numbers = self._choose(chance, [1] if is_browser else SIZES)
            request = self._request(place, numbers, chance, is_browser)
            repeated = self.places.send(place, numbers)
            # A refused request is sent again until it is taken, as a client's outbox would.
            while not self._post(request) and self._running:
                with self._lock:
                    self.again += 1
                time.sleep(0.2)
            with self._lock:
                self.sent += len(numbers)
                self.repeated += repeated
            time.sleep(self._pace)

    def _choose(self, chance: random.Random, sizes: Sequence[int]) -> tuple[Place, range]:
        """New numbers, or a stretch of old ones, or what another client is sending now.

        Most of those that are not new go to a project that had them.
        """
        kind, size, place = chance.random(), chance.choice(sizes), chance.choice(self._to)
        goes_again = chance.random() < 0.7
        with self._lock:
            twin = self._twins.popleft() if kind < 0.1 and self._twins else None
        if twin:
            return (twin[0] if goes_again else place), twin[1][: max(sizes)]
        if kind < 0.55 and (claimed := self.places.claimed):
            first = chance.randrange(claimed)
            had = [one for one in self._to if one.state(first)]
            place = chance.choice(had) if goes_again and had else place
            return place, range(first, min(first + size, claimed))
        new = self.places.claim(size)
        self._twins.append((place, new))
        return place, new

    def _request(
        self, place: Place, numbers: range, chance: random.Random, is_browser: bool
    ) -> _Request:
        """It names its project in either way. A browser's goes the short way."""
        with self._lock:
            self._copies += 1
            copy = self._copies
        queries = [] if is_browser else chance.choice(([], [], ["wait=true"]))
        headers = {"Content-Type": "application/json"}
        if is_browser or chance.random() < 0.5:
            headers["X-API-Key"] = place.key
        else:
            queries = [*queries, f"project={place.slug}"]
        body = json.dumps([event(number, copy, place.slug) for number in numbers])
        path = f"/events?{'&'.join(queries)}"
        sender = SENDERS[0 if is_browser else 1]
        return _Request(sender, place, numbers, path, headers, body.encode())

    def _post(self, request: _Request) -> bool:
        began = time.monotonic()
        request_id = f"{request.sender}-{uuid4().hex}"
        status = self._status(request, request_id)
        with self._lock:
            self.statuses[status] += 1
            self.answers[request_id] = status
            self.longest = max(self.longest, time.monotonic() - began)
        if status in (200, 202):
            self.places.promise(request.place, request.numbers)
            self.promises.note()
            return True
        return False

    def _status(self, request: _Request, request_id: str) -> int | str:
        connection = HTTPConnection(ports.HOST, self._port, timeout=TIMEOUT_SECONDS)
        headers = {**request.headers, "X-Request-ID": request_id}
        try:
            connection.request("POST", request.path, request.body, headers)
            return connection.getresponse().status
        except TimeoutError:
            return "timeout"
        except (OSError, HTTPException):
            return "broken off"
        finally:
            connection.close()
