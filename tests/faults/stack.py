"""A real run of `make up` under load, whose parts are killed in turn, then every event counted."""

import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import psutil

from embedded import data_folder, ports
from tests.embedded.stack import Stack, environment, left_of, running
from tests.faults import suite
from tests.faults.clients import Clients, Gap
from tests.faults.places import made
from tests.faults.service import SETTINGS
from tests.waiting import wait_until

BACK_SECONDS = 60
# Where each part works; of those that work in the project's folder, a word of the command.
FOLDERS = ("postgres", "redis", "rate-limit")
WORDS = {
    "web": "embedded.web",
    "worker": "worker",
    "beat": "beat",
    "clickhouse": "embedded.gateway",
}
# These have children that do the work.
PARENTS = ("web", "worker", "postgres")
KINDS = (*FOLDERS, *WORDS, *(f"{name}'s child" for name in PARENTS))


class Soak(NamedTuple):
    """What a run has shown.

    The gaps are the longest seconds without an answer of `/health`, and without an accepted event;
    `restarts` names the part that the stack said it had started again, once for each time.
    """

    outcome: suite.Outcome
    health_gap: float
    promise_gap: float
    restarts: list[str]
    left: list[str]

    @property
    def clean(self) -> bool:
        return self.outcome.clean and not self.left

    def summary(self) -> str:
        return (
            f"{self.outcome.summary()}\n"
            f"parts started again by the stack: {len(self.restarts)}\n"
            f"longest without an answer of /health: {self.health_gap:.1f} s,"
            f" without an accepted event: {self.promise_gap:.1f} s\n"
            f"processes left behind: {len(self.left)}"
        )


def soak(
    folder: Path, *, seed: int, seconds: float, every: float, projects: int, pace: float = 0.0
) -> Soak:
    """Kill one part after another, each kind in its turn. Raises AssertionError."""
    began = time.monotonic()
    settings = {name: value for name, value in SETTINGS.items() if name != "DJANGO_SECRET_KEY"}
    with running(folder, **settings) as stack:
        stack.wait_until_ready()
        stores = data_folder.announced_in(folder)
        places = made(environment(folder, stack.port), projects=projects, doomed=0)
        clients, health = Clients(stack.port, places, seed=seed, pace=pace), Gap()
        kills = _under_load(stack, clients, health, seed=seed, seconds=seconds, every=every)
        suite.drain(stores)
        counted = suite.count_in(places, stores["CLICKHOUSE_URL"], stores["DATABASE_URL"])
        assert stack.stop(signal.SIGTERM) == 0, stack.printed()
        restarts = re.findall(r"stack *\| (\S+) .*; started again ", stack.printed())
    outcome = suite.Outcome(seed, kills, clients, counted, time.monotonic() - began)
    return Soak(outcome, health.longest, clients.promises.longest, restarts, left_of(folder))


def _under_load(
    stack: Stack, clients: Clients, health: Gap, *, seed: int, seconds: float, every: float
) -> Counter[str]:
    kills: Counter[str] = Counter()
    stop = threading.Event()
    prober = threading.Thread(target=_ask, args=(stack.port, health, stop))
    clients.start()
    prober.start()
    chance = random.Random(seed)
    try:
        for name in islice(_in_turn(chance), round(seconds / every)):
            time.sleep(every)
            print(f"{datetime.now(UTC):%H:%M:%S} {name} killed", flush=True)  # noqa: T201
            _kill(stack, name, chance)
            kills[name] += 1
        wait_until(
            lambda: _answers(stack.port, "/ready"),
            seconds=BACK_SECONDS,
            every=0.2,
            what="for /ready",
        )
    finally:
        stop.set()
        clients.stop()
        prober.join()
    return kills


def _in_turn(chance: random.Random) -> Iterator[str]:
    """Each kind once, then each again in another order, for ever: no part dies too often."""
    while True:
        yield from chance.sample(KINDS, len(KINDS))


def _kill(stack: Stack, name: str, chance: random.Random) -> None:
    """As soon as it is there: it may be coming back from the last time."""
    assert stack.process.poll() is None, stack.printed()
    parent, is_child, _ = name.partition("'s child")

    def found() -> list[psutil.Process]:
        mains = [
            one for one in psutil.Process(stack.process.pid).children() if _is(one, parent, stack)
        ]
        return [kid for main in mains for kid in main.children()] if is_child else mains

    wait_until(lambda: bool(found()), seconds=BACK_SECONDS, what=f"for {name}")
    chance.choice(found()).kill()


def _is(process: psutil.Process, name: str, stack: Stack) -> bool:
    try:
        if name in FOLDERS:
            return (stack.folder / name) in (Path(process.cwd()), *Path(process.cwd()).parents)
        return WORDS[name] in process.cmdline()
    except psutil.Error:  # it is dying
        return False


def _ask(port: int, health: Gap, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        if _answers(port, "/health"):
            health.note()


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection(ports.HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
