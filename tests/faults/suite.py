"""One run: load, one fault after another, recovery, the count."""

import csv
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import cycle
from math import inf
from pathlib import Path
from typing import NamedTuple

from embedded import ports
from tests.faults import audit, plan
from tests.faults.clients import Clients, event
from tests.faults.places import Place, Places
from tests.faults.proxy import Mode
from tests.faults.queue_door import Cut, QueueDoor
from tests.faults.service import Service
from tests.waiting import wait_until

DRAIN_SECONDS = 120
IMPORT_ROWS = 2_000
# What a client may see of a service whose parts are dying; anything else is a defect.
HARMLESS = {200, 202, 503, "timeout", "broken off"}
# What it may see besides if its project is deleted.
OF_DELETED = {401, 404}
# Clients go on sending so long to a project that is gone, and until they are told that it is: the
# service itself may be away. It is back within the second number.
_AFTERWARDS_SECONDS = 2
_TOLD_SECONDS = 60


class Outcome(NamedTuple):
    """`faults` by name, what the clients saw, and the count.

    `deleted` are the clients of each project that was deleted meanwhile, and `door` is the one in
    front of the queue, if there was one.
    """

    seed: int
    faults: Counter[str]
    clients: Clients
    audit: audit.Audit
    seconds: float
    deleted: Sequence[Clients] = ()
    door: QueueDoor | None = None

    @property
    def clean(self) -> bool:
        return self.audit.clean and not self.harmful and not self.unfounded

    @property
    def answers(self) -> dict[str, int | str]:
        """Of all clients, by the id of the request."""
        return {
            request_id: answer
            for clients in (self.clients, *self.deleted)
            for request_id, answer in clients.answers.items()
        }

    @property
    def unfounded(self) -> set[str]:
        """The requests that were told 202 although Redis had not confirmed their message."""
        return self.door.unfounded(self.answers) if self.door else set()

    @property
    def harmful(self) -> set[int | str]:
        of_deleted = {status for clients in self.deleted for status in clients.statuses}
        return (set(self.clients.statuses) | (of_deleted - OF_DELETED)) - HARMLESS

    def summary(self) -> str:
        clients = self.clients
        share = clients.repeated / max(1, clients.sent)
        lines = [
            f"seed {self.seed}, {self.seconds:.0f} s, {self.faults.total()} faults",
            *(f"  {count:4} x {name}" for name, count in sorted(self.faults.items())),
            f"{len(clients.places.stay)} projects, {len(self.deleted)} more were deleted",
            f"sent {clients.sent:,} events, {share:.0%} of them repeated;"
            f" promised {clients.places.promised:,},"
            f" {clients.places.shared:,} of them in more than one project",
            *(f"to a deleted project: {dict(one.statuses)}" for one in self.deleted),
            f"answers {dict(clients.statuses)}, longest {clients.longest:.1f} s,"
            f" sent again {clients.again:,}",
            *(self.door.summary(self.answers) if self.door else []),
            *(
                f"{name.replace('_', ' ')}: {value:,}"
                for name, value in self.audit._asdict().items()
            ),
        ]
        return "\n".join(lines)


def run(
    service: Service,
    *,
    seed: int,
    seconds: float,
    pace: float = 0.0,
    between_imports: float = 2.0,
    haste: float = 1.0,
) -> Outcome:
    """The last of this service. Raises StackError or AssertionError if it can't recover.

    With `haste`, faults last and rest by so much shorter.
    """
    began, names = time.monotonic(), list(plan.FAULTS)
    with plan.outbox_on_a_small_disk(service) as is_there:
        if not is_there:
            names.remove("outbox disk full")
        clients = Clients(service.port, service.places, seed=seed, pace=pace)
        with (
            _deleting(service, seed=seed, seconds=seconds, pace=pace) as deleted,
            _importing(service, clients, between_imports),
        ):
            sequence = plan.sequence(seed, names=names, haste=haste)
            faults = _under_load(service, clients, sequence, seconds=seconds)
        drain(service.variables)
        counted = count(service)
    seconds = time.monotonic() - began
    return Outcome(seed, faults, clients, counted, seconds, deleted, service.queue_door)


def with_redis_cut(service: Service, *, seconds: float, pace: float = 0.0) -> Outcome:
    """Only this: Redis breaks off at messages, for so long at each place."""
    began, clients = time.monotonic(), Clients(service.port, service.places, seed=1, pace=pace)
    sequence = [(f"Redis cut {cut.value}", seconds, 0.0) for cut in Cut]
    faults = _under_load(service, clients, sequence)
    drain(service.variables)
    counted, seconds = count(service), time.monotonic() - began
    return Outcome(0, faults, clients, counted, seconds, door=service.queue_door)


def _under_load(
    service: Service,
    clients: Clients,
    sequence: Iterable[tuple[str, float, float]],
    *,
    seconds: float = inf,
) -> Counter[str]:
    faults: Counter[str] = Counter()
    clients.start()
    deadline = time.monotonic() + seconds
    try:
        for name, lasts, rest in sequence:
            if time.monotonic() > deadline:
                break
            print(f"{datetime.now(UTC):%H:%M:%S} {name}", flush=True)  # noqa: T201
            plan.FAULTS[name](service, lasts)
            faults[name] += 1
            time.sleep(rest)
    finally:
        clients.stop()
    return faults


@contextmanager
def _importing(service: Service, clients: Clients, between: float) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=_import, args=(service, clients, between, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _deleting(
    service: Service, *, seed: int, seconds: float, pace: float
) -> Iterator[list[Clients]]:
    """Delete one project after another meanwhile, each amid its events. Yields their clients."""
    doomed, deleted = service.places.doomed, list[Clients]()
    pause, over = seconds / (len(doomed) + 1), threading.Event()

    def delete() -> None:
        while doomed and not over.is_set():
            place = doomed.pop(0)
            clients = Clients(
                service.port, service.places, seed=seed + 1, threads=1, pace=pace, to=[place]
            )
            deleted.append(clients)
            clients.start()
            over.wait(pause)
            try:
                plan.delete(service, place.slug)
                time.sleep(_AFTERWARDS_SECONDS)
                _wait_until_told(clients)
            finally:
                clients.stop()

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        yield deleted
    finally:
        over.set()
        thread.join()


def _wait_until_told(clients: Clients) -> None:
    wait_until(
        lambda: any(status in clients.statuses for status in OF_DELETED),
        seconds=_TOLD_SECONDS,
        every=0.1,
        what="for the answer that a project is gone",
    )


def _import(service: Service, clients: Clients, between: float, stop: threading.Event) -> None:
    """One file after another, each until it is in: an import that died is begun again."""
    places = clients.places
    for place in cycle(places.stay):
        if stop.wait(between):
            return
        numbers = places.claim(IMPORT_ROWS)
        file = service.folder / f"import-{numbers.start}.csv"
        write(file, numbers, place)
        places.send(place, numbers)
        # The last one is finished even after the faults have ended.
        while plan.importer(service, file, project=place.slug).wait(600) != 0:
            time.sleep(0.5)
        places.promise(place, numbers)
        clients.sent += len(numbers)
        file.unlink()


def write(file: Path, numbers: range, place: Place) -> None:
    fields = ("event_id", "occurred_at", "user_id", "event_type")
    with file.open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerow([*fields, "properties"])
        for number in numbers:
            made = event(number, -1, place.slug)
            rows.writerow([*(made[f] for f in fields), json.dumps(made["properties"])])


def drain(stores: Mapping[str, str]) -> None:
    wait_until(
        lambda: audit.waiting(stores) == 0,
        seconds=DRAIN_SECONDS,
        every=0.2,
        what="for an empty queue and outbox",
    )


def _window_start() -> str:
    """Midnight of a day that is inside the hot window for the whole run."""
    return f"{datetime.now(UTC).date() - timedelta(days=6)} 00:00:00"


class Silence(NamedTuple):
    """What a ClickHouse that is gone for a while does to the clients: nothing.

    `stored` is the seconds until all that they had sent was in PostgreSQL, without ClickHouse.
    """

    clients: Clients
    stored: float
    ready: int
    backlog: int
    drained: float
    audit: audit.Audit


def without_clickhouse(
    service: Service, *, seconds: float, pace: float = 0.0, mode: Mode = Mode.GONE
) -> Silence:
    """ClickHouse is gone for so long under load; `drained` is the seconds of catching up."""
    clients = Clients(service.port, service.places, seed=1, pace=pace)
    service.proxy.mode = mode
    clients.start()
    time.sleep(seconds)
    clients.stop()
    began = time.monotonic()
    wait_until(
        lambda: audit.queued(service.variables) == 0,
        seconds=DRAIN_SECONDS,
        every=0.2,
        what="until everything is stored",
    )
    stored = time.monotonic() - began
    ready, backlog = _ready(service.port), audit.waiting(service.variables)
    service.proxy.mode = Mode.OPEN
    began = time.monotonic()
    drain(service.variables)
    drained = time.monotonic() - began
    return Silence(clients, stored, ready, backlog, drained, count(service))


def _ready(port: int) -> int:
    connection = HTTPConnection(ports.HOST, port, timeout=30)
    connection.request("GET", "/ready")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def count(service: Service) -> audit.Audit:
    """Past the proxy."""
    return count_in(service.places, service.clickhouse_url, service.variables["DATABASE_URL"])


def count_in(places: Places, clickhouse: str, postgres: str) -> audit.Audit:
    return audit.audit(
        places, clickhouse=clickhouse, postgres=postgres, window_start=_window_start()
    )
