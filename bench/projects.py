"""Many projects that each send a little all the time: what it costs, and how late events are seen.

A project sends one request a second. Requests are sent when they are due, however long those before
them take. Rows are counted by ClickHouse's own books, so looking often costs little.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from bench import ingest, load, processes, sample
from bench.stack import Stack
from bench.table import Row

# Seconds between two looks at the rows: no lag is known better than that.
LOOK_SECONDS = 0.25
_IDLE_SECONDS = 20
_CLIENTS = 8
_DRAIN_SECONDS = 120
_ROWS = (
    "SELECT database, total_rows FROM system.tables WHERE name = 'events'"
    " AND startsWith(database, currentDatabase()) FORMAT JSONCompactEachRow"
)


class Sent(NamedTuple):
    """An answered request: its project, when it was answered, and after how long."""

    slug: str
    at: float
    seconds: float


class Look(NamedTuple):
    """How many events each database had at a moment."""

    at: float
    rows: dict[str, int]


def rows(running: Stack, *, projects: int, rate: int, seconds: int) -> list[Row]:
    """The figures of so many projects that send `rate` events a second each."""
    databases = _make(running, projects)
    due = _due(list(databases), rate=rate, seconds=seconds)
    idle = _idle(running)
    ingest.warm(running)
    before, used, began = _look(running), processes.cpu_seconds(running), time.monotonic()
    sent, looks = _run(running, due, expected=projects * rate * seconds)
    took = time.monotonic() - began
    cpu = ingest.used_since(running, used)
    lags = sorted(_lags(sent, looks, before, databases, rate))
    what = f"{projects} projects, {rate} events/s each, {seconds} s"
    busiest = sorted(cpu.items(), key=lambda item: -item[1])
    late = sorted(one.seconds * 1000 for one in sent)
    return [
        Row(what, len(lags) / took, "events/s"),
        Row("ClickHouse: cores in use", cpu["clickhouse"] / took, "", None, None, idle),
        Row("cores in use", ", ".join(f"{part} {used / took:.2f}" for part, used in busiest)),
        *(Row(f"{name}, accepted to seen in ClickHouse", value, "s") for name, value in _of(lags)),
        *(Row(f"{name}, of a request", value, "ms") for name, value in _of(late)),
    ]


def _of(ordered: Sequence[float]) -> Iterator[tuple[str, float]]:
    for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        yield name, ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _make(running: Stack, projects: int) -> dict[str, str]:
    """Make them. Returns the database of each, by slug."""
    command = "from django.core.management import call_command as c\nfor n in range({}):\n c({})"
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "manage.py", "shell", "--no-imports", "--command"),
            command.format(projects, "'make_project', f'app-{n}'"),
        ],
        env={**os.environ, **running.variables()},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    made = [line.split() for line in done.stdout.splitlines() if line.startswith("made project")]
    # "made project app-0, number 28000000"
    return {slug.rstrip(","): f"default_{number}" for _, _, slug, _, number in made}


def _due(slugs: Sequence[str], *, rate: int, seconds: int) -> list[tuple[float, str, bytes]]:
    """Requests and when they are due, in seconds from the start: each project has its moment."""
    due = []
    for place, slug in enumerate(slugs):
        bodies = sample.bodies(rate * seconds, size=rate, seed=place, days=0.1)
        path = f"/events?project={slug}"
        due += [
            (second + place / len(slugs), slug, load.request("POST", path, body))
            for second, body in enumerate(bodies)
        ]
    return sorted(due)


def _idle(running: Stack) -> str:
    """What ClickHouse uses when there are no events, though it is looked at."""
    used, began = processes.cpu_seconds(running), time.monotonic()
    while time.monotonic() < began + _IDLE_SECONDS:
        _look(running)
        time.sleep(LOOK_SECONDS)
    share = ingest.used_since(running, used)["clickhouse"] / (time.monotonic() - began)
    return f"{share:.2f} without events; load average {os.getloadavg()[1]:.1f}"


def _run(
    running: Stack, due: list[tuple[float, str, bytes]], *, expected: int
) -> tuple[list[Sent], list[Look]]:
    """Send everything when it is due, and look at the rows until all are there."""
    sent: list[Sent] = []
    looks = [_look(running)]
    whole = sum(looks[0].rows.values()) + expected
    began = time.monotonic()
    threads = [
        threading.Thread(target=_client, args=(running, due[first::_CLIENTS], began, sent))
        for first in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    deadline = began + due[-1][0] + _DRAIN_SECONDS
    while sum(looks[-1].rows.values()) < whole:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{looks[-1].rows} of {whole} events in all")
        time.sleep(LOOK_SECONDS)
        looks.append(_look(running))
    for thread in threads:
        thread.join()
    return sent, looks


def _client(
    running: Stack, due: list[tuple[float, str, bytes]], began: float, sent: list[Sent]
) -> None:
    with socket.create_connection(running.address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for after, slug, request in due:
            time.sleep(max(0.0, began + after - time.monotonic()))
            connection.sendall(request)
            if (status := load.status(connection)) != 202:
                raise RuntimeError(f"a request of {slug} was answered {status}")
            now = time.monotonic()
            sent.append(Sent(slug, now, now - began - after))


def _look(running: Stack) -> Look:
    lines = running.ask(_ROWS).splitlines()
    found = dict(json.loads(line) for line in lines)
    return Look(time.monotonic(), {name: int(rows) for name, rows in found.items()})


def _lags(
    sent: list[Sent], looks: list[Look], before: Look, databases: dict[str, str], rate: int
) -> Iterator[float]:
    """For each event the seconds until as many were seen as had been accepted before and with it.

    Events of one project may overtake each other; that changes no average.
    """
    accepted: defaultdict[str, list[float]] = defaultdict(list)
    for one in sorted(sent, key=lambda one: one.at):
        accepted[databases[one.slug]] += [one.at] * rate
    for database, moments in accepted.items():
        seen = iter(looks)
        look = next(seen)
        for wanted, moment in zip(count(before.rows[database] + 1), moments, strict=False):
            while look.rows[database] < wanted:
                look = next(seen)
            yield max(0.0, look.at - moment)
