"""The whole service as processes that can be killed and brought back one by one.

`make up` starts a dead child again at once. Here a fault decides when, and what is in between.
"""

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from unittest.mock import patch

import psutil
import psycopg

from analytics.clickhouse import MARGIN_SECONDS
from embedded import application, ports
from embedded.__main__ import STORE_VARIABLES
from embedded.stores import clickhouse, postgres, redis_server
from embedded.supervision.processes import Process, Program
from tests.faults.places import Places, made
from tests.faults.proxy import Proxy
from tests.faults.queue_door import QueueDoor

Fronts: TypeAlias = Mapping[str, Callable[[Mapping[str, str]], Program]]
STORES = ("postgres", "redis", "rate-limit", "clickhouse")
SETTINGS = {
    "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
    "API_KEYS_REQUIRED": "false",
    # Each request asks for it, and none is refused.
    "RATE_LIMIT_PER_MINUTE": "1000000000",
    # What a killed worker and a killed deliverer held comes back after this and twice this: the
    # defaults would only make the end later.
    "QUEUE_VISIBILITY_TIMEOUT_SECONDS": "10",
    "CLICKHOUSE_INSERT_TIMEOUT_SECONDS": "5",
}


class Service:
    """Stores, web, worker and beat on ports of their own; used from the main thread alone."""

    def __init__(self, folder: Path, fronts: Fronts) -> None:
        self.folder, self._fronts = folder, fronts
        self.port = ports.pick_free()
        self._ports = {name: ports.pick_free() for name in STORES}
        self._processes: dict[str, Process] = {}
        self._programs: dict[str, Callable[[], Program]] = {
            "postgres": lambda: postgres.program(folder / "postgres", port=self._ports["postgres"]),
            "redis": lambda: redis_server.queue(folder / "redis", port=self._ports["redis"]),
            "rate-limit": lambda: redis_server.rate_limit(
                folder / "rate-limit", port=self._ports["rate-limit"]
            ),
            "clickhouse": lambda: clickhouse.program(
                folder / "clickhouse", port=self._ports["clickhouse"]
            ),
        }
        self.proxy = Proxy(self._ports["clickhouse"])
        self.queue_door = QueueDoor(self._ports["redis"])
        # With what all clients so far have sent.
        self.places = Places([], [])
        self.variables: dict[str, str] = {}

    def start(self, *, projects: int, doomed: int) -> None:
        for name in STORES:
            self.restart(name)
        self.variables = {
            "DATABASE_URL": self._processes["postgres"].program.url,
            "REDIS_URL": self.address("redis"),
            "RATE_LIMIT_REDIS_URL": self.address("rate-limit"),
            "CLICKHOUSE_URL": self._through(self.proxy, "clickhouse"),
        }
        for variable, front in self._fronts.items():
            program = front(self.variables)
            self._programs[program.name] = lambda program=program: program  # type: ignore[misc]
            self.restart(program.name)
            self.variables[variable] = program.url
        for program in application.programs(self.folder, self.port, self.settings()):
            if program.once:
                with Process(program):
                    continue
            if program.name == "beat":
                self._have_beat_hurry()
            led = self._led(program)
            self._programs[program.name] = lambda led=led: led  # type: ignore[misc]
            self.restart(program.name)
        self.places = made(self.environment(), projects=projects, doomed=doomed)

    def _led(self, program: Program) -> Program:
        """Web alone is led through the queue's door: workers are to keep their messages."""
        if program.name != "web":
            return program
        queue = {"REDIS_URL": self._through(self.queue_door, "redis")}
        return replace(program, environment={**program.environment, **queue})

    def _have_beat_hurry(self) -> None:
        """Its 10 seconds between two looks for what was left would only make the end later too."""
        with psycopg.connect(self.variables["DATABASE_URL"]) as connection:
            connection.execute(
                "UPDATE django_celery_beat_intervalschedule SET every = 2"
                " WHERE every = 10 AND period = 'seconds'"
            )

    def settings(self) -> dict[str, str]:
        return {**SETTINGS, **self.variables, "DATA_DIR": str(self.folder)}

    def environment(self) -> dict[str, str]:
        """For a command of manage.py."""
        return {**os.environ, **self.settings()}

    @property
    def clickhouse_patience(self) -> float:
        """Seconds after which a deliverer gives up on an answer."""
        return MARGIN_SECONDS + float(SETTINGS["CLICKHOUSE_INSERT_TIMEOUT_SECONDS"])

    @property
    def clickhouse_url(self) -> str:
        """Past the proxy: what the suite itself asks."""
        return self.address("clickhouse")

    def _through(self, proxy: Proxy, name: str) -> str:
        return self.address(name).replace(f":{self._ports[name]}/", f":{proxy.port}/")

    def address(self, name: str) -> str:
        """Of a store, past whatever is in front of it."""
        return self._processes[name].program.url

    def restart(self, name: str) -> None:
        """Start it, as often as it takes: its own stores may be coming back too."""
        self._processes[name] = Process(self._programs[name](), show=self._log(name)).start()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill its main process alone and wait until that is gone."""
        process = self._processes.pop(name)
        main = psutil.Process(process.process.pid)  # type: ignore[union-attr]
        main.send_signal(number)
        with suppress(psutil.TimeoutExpired):
            main.wait(30)
        process.__exit__()

    def kill_child(self, name: str) -> None:
        """Kill one of its children; it is expected to replace it itself."""
        main = psutil.Process(self._processes[name].process.pid)  # type: ignore[union-attr]
        if children := main.children():
            children[0].kill()

    def family(self, name: str) -> list[psutil.Process]:
        main = psutil.Process(self._processes[name].process.pid)  # type: ignore[union-attr]
        return [main, *main.children(recursive=True)]

    def stop(self) -> None:
        """A worker takes seconds to end as it was asked to, and nobody needs that here."""
        for name in reversed(list(self._programs)):
            if process := self._processes.pop(name, None):
                if name == "worker":
                    process.kill()
                process.__exit__()
        for proxy in (self.proxy, self.queue_door):
            proxy.close()

    def _log(self, name: str) -> Callable[[str], None]:
        path = self.folder / f"{name}.log"

        def write(line: str) -> None:
            with path.open("a") as file:
                file.write(line)

        return write


@contextmanager
def running(
    folder: Path, fronts: Fronts = MappingProxyType({}), *, projects: int = 1, doomed: int = 0
) -> Iterator[Service]:
    """A service with so many projects, and others to be deleted.

    `fronts` makes of the stores' variables programs whose addresses take their places.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ))
        # The suite's own environment must not lead the service to other stores.
        for name in STORE_VARIABLES:
            os.environ.pop(name, None)
        service = Service(folder, fronts)
        stack.callback(service.stop)
        service.start(projects=projects, doomed=doomed)
        yield service
