"""A real RabbitMQ of its own on loopback, whose node can be killed and brought back."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded import ports
from embedded.supervision.processes import Process, Program

# Debian's scripts, past the wrapper that wants its own user and folders.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")
EPMD = Path("/usr/bin/epmd")
# So long it takes until a new queue's leader is on the disk: killed before that, it has none.
NEW_QUEUE_SECONDS = 6.0
# How often a quorum queue writes down how long it is.
TICK_MILLISECONDS = 250

needs_rabbitmq = pytest.mark.skipif(
    not (SCRIPTS / "rabbitmq-server").exists() or not EPMD.exists(),
    reason="RabbitMQ is not installed (apt-get install rabbitmq-server)",
)


class RabbitMQ:
    """How to run the node, and what to ask it past AMQP."""

    def __init__(self, folder: Path, epmd_port: int) -> None:
        folder.mkdir(mode=0o700)
        self.folder, self.port = folder, ports.pick_free()
        self._process: Process | None = None
        self.url = f"amqp://guest:guest@{ports.HOST}:{self.port}//"
        advanced = f"[{{rabbit, [{{quorum_tick_interval, {TICK_MILLISECONDS}}}]}}].\n"
        files = {"plugins": "[].\n", "env": "", "rabbitmq.conf": "", "advanced.config": advanced}
        for name, text in files.items():
            (folder / name).write_text(text)
        self._environment = {
            "HOME": str(folder),  # of the cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"node{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": ports.HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(ports.pick_free()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            # Of two cores shared with everything else: no scheduler waits busily.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none",
            # The script becomes the node: whoever is killed is the node itself.
            "detached": "yes",
        }

    def program(self) -> Program:
        return Program(
            name="rabbitmq",
            command=[str(SCRIPTS / "rabbitmq-server"), "-noinput"],
            url=self.url,
            ready=self.answers,
            environment=self._environment,
            stop_timeout=90,
        )

    def start(self) -> None:
        """Unless it runs."""
        if not self._process:
            self._process = Process(self.program())
            self._process.start()

    def end(self, number: int = signal.SIGTERM) -> None:
        """By that signal, if it runs."""
        if process := self._process:
            os.kill(self.pid, number)
            process.process.wait(60)  # type: ignore[union-attr]
            process.__exit__()
            self._process = None

    @property
    def pid(self) -> int:
        return int(self._process.process.pid)  # type: ignore[union-attr]

    def answers(self) -> bool:
        try:
            socket.create_connection((ports.HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def ask(self, *command: str) -> str:
        """What rabbitmqctl answers."""
        return subprocess.run(
            [str(SCRIPTS / "rabbitmqctl"), "--quiet", *command],
            env={**os.environ, **self._environment},
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    def held(self, queue: str = "celery") -> int:
        """Messages on the queue or with a worker, counted after this call began."""
        time.sleep(2 * TICK_MILLISECONDS / 1000)
        table = self.ask("list_queues", "--no-table-headers", "name", "messages")
        counts = dict(line.split("\t") for line in table.splitlines())
        return int(counts.get(queue, 0))


@contextmanager
def prepared(folder: Path) -> Iterator[RabbitMQ]:
    """With the port mapper that a node wants; the node itself is to be started."""
    port = ports.pick_free()
    epmd = Program(
        name="epmd",
        command=[str(EPMD), "-port", str(port), "-address", ports.HOST],
        stop_timeout=10,
    )
    with Process(epmd):
        node = RabbitMQ(folder, port)
        try:
            yield node
        finally:
            node.end()
