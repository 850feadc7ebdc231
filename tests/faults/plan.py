"""What goes wrong, when and for how long: all of it drawn from one seed."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.faults.clients import SENDERS, sender_of
from tests.faults.proxy import Mode
from tests.faults.queue_door import Cut
from tests.faults.service import Service
from tests.small_disk import small_disk
from tests.waiting import wait_until
from tests.warm import Child, Heard

Fault = Callable[[Service, float], None]
# Clients may still be waiting for the answers of another fault.
_MET_SECONDS = 60
# Far above what a command takes that waits for parts of the service.
_COMMAND_SECONDS = 600


def _killed(name: str, number: signal.Signals = signal.SIGKILL) -> Fault:
    def fault(service: Service, seconds: float) -> None:
        service.kill(name, number)
        time.sleep(min(seconds, 2))
        service.restart(name)

    return fault


def _proxied(mode: Mode) -> Fault:
    def fault(service: Service, seconds: float) -> None:
        service.proxy.mode = mode
        time.sleep(seconds)
        service.proxy.mode = Mode.OPEN

    return fault


def _clickhouse_hangs(service: Service, seconds: float) -> None:
    """It takes connections and says nothing, for longer than anybody waits for it."""
    _proxied(Mode.HUNG)(service, service.clickhouse_patience + seconds)


def _queue_cut(cut: Cut) -> Fault:
    """Until requests of each sender have met it, and for so long after that."""

    def fault(service: Service, seconds: float) -> None:
        door = service.queue_door
        before = {*door.met[cut]}

        def met() -> bool:
            return {sender_of(one) for one in door.met[cut] - before} == {*SENDERS}

        door.cut = cut
        wait_until(met, seconds=_MET_SECONDS, what=f"for requests to meet Redis cut {cut.value}")
        time.sleep(seconds)
        door.cut = None

    return fault


def _child_killed(name: str) -> Fault:
    def fault(service: Service, seconds: float) -> None:
        service.kill_child(name)
        time.sleep(1)

    return fault


def _postgres_refuses(service: Service, seconds: float) -> None:
    """Connections are cut and no new one is let in."""
    admin = service.variables["DATABASE_URL"].rpartition("/")[0] + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("ALTER DATABASE events ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'events'"
        )
        time.sleep(seconds)
        connection.execute("ALTER DATABASE events ALLOW_CONNECTIONS true")


def _postgres_hangs(service: Service, seconds: float) -> None:
    """It is there and says nothing."""
    processes = service.family("postgres")
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in processes:
        process.resume()


def _outbox_full(service: Service, seconds: float) -> None:
    """The disk of the outbox has no byte left; everything else goes on."""
    filler = service.folder / "small" / "filler"
    with suppress_disk_full(), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    time.sleep(seconds)
    filler.unlink()


@contextmanager
def suppress_disk_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != 28:
            raise


FAULTS: dict[str, Fault] = {
    "web killed": _killed("web"),
    "web child killed": _child_killed("web"),
    "worker child killed": _child_killed("worker"),
    "worker killed": _killed("worker"),
    "beat killed": _killed("beat"),
    "PostgreSQL stopped at once": _killed("postgres", signal.SIGQUIT),
    "PostgreSQL refuses connections": _postgres_refuses,
    "PostgreSQL hangs": _postgres_hangs,
    "Redis killed": _killed("redis"),
    "the rate limit's Redis killed": _killed("rate-limit"),
    **{f"Redis cut {cut.value}": _queue_cut(cut) for cut in Cut},
    "ClickHouse killed": _killed("clickhouse"),
    "ClickHouse slow": _proxied(Mode.SLOW),
    "ClickHouse erring": _proxied(Mode.ERRING),
    "ClickHouse cut off after the request": _proxied(Mode.CUT),
    "ClickHouse gone": _proxied(Mode.GONE),
    "ClickHouse hangs": _clickhouse_hangs,
    "outbox disk full": _outbox_full,
}


def sequence(seed: int, *, names: list[str], haste: float) -> Iterator[tuple[str, float, float]]:
    """Name, seconds it lasts and seconds of rest after it, for ever; every kind comes in turn."""
    chance = random.Random(seed)
    while True:
        for name in chance.sample(names, len(names)):
            yield name, chance.uniform(0.5, 4) / haste, chance.uniform(0.2, 2) / haste


@contextmanager
def outbox_on_a_small_disk(service: Service) -> Iterator[bool]:
    """Yields False where this machine lets nobody mount."""
    small = service.folder / "small"
    with small_disk(small, size="192m") as is_there:
        if is_there:
            (small / "space").mkdir(mode=0o700)
            with psycopg.connect(service.variables["DATABASE_URL"], autocommit=True) as connection:
                connection.execute(f"CREATE TABLESPACE small LOCATION '{small / 'space'}'")
                connection.execute("ALTER TABLE batches SET TABLESPACE small")
        yield is_there


def importer(service: Service, file: Path, *, project: str = "default") -> Child:
    return Child(
        service.environment(),
        *("import_events", "--force", "--project", project, str(file)),
        output=(os.devnull, os.devnull),
    )


def delete(service: Service, project: str) -> None:
    """Delete a project; the command is given again while parts that it needs are down."""
    while True:
        command = Heard(service.environment(), "delete_project", project, "--yes", project)
        said = command.communicate(_COMMAND_SECONDS)[1]
        # It may have died after its last step.
        if command.returncode == 0 or b"there is no project" in said:
            return
        time.sleep(0.5)
