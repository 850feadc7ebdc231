"""The real web server on the stores of the tests, started as `make up` starts it."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import psutil

from embedded import application, ports
from embedded.supervision.processes import Process, Program
from tests import environment

_SERVED = "config.server.rsgi:application"
HEAD = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class Web(NamedTuple):
    port: int
    process: psutil.Process

    @property
    def memory(self) -> int:
        """Bytes that the largest of its processes uses."""
        return max(one.memory_info().rss for one in self.process.children())

    @property
    def peak_memory(self) -> int:
        """Bytes that the largest of its processes has ever used."""
        return max(map(_peak, self.process.children()))

    def status(self, body: bytes | None = None, encoding: str = "identity", query: str = "") -> int:
        """Of a POST of events, or without a body of `/health`."""
        connection = HTTPConnection(ports.HOST, self.port, timeout=60)
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        try:
            if body is None:
                connection.request("GET", "/health")
            else:
                connection.request("POST", f"/events{query}", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((ports.HOST, self.port), timeout=20)

    def answer(self, request: bytes, *, finished: bool = True) -> bytes:
        """The first line of the answer; nothing where the connection was closed instead.

        `finished` says so by closing our half. Raises TimeoutError where neither happens.
        """
        with self.connect() as client:
            try:
                client.sendall(request)
                if finished:
                    client.shutdown(socket.SHUT_WR)
                return client.recv(65536).split(b"\r\n")[0]
            except TimeoutError:
                raise
            except OSError:
                return b""


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def program(port: int, served: str = _SERVED, **variables: str) -> Program:
    words = [served if word == _SERVED else word for word in application.WEB]
    return Program(
        name="web",
        command=[sys.executable, *words, str(port)],
        ready=lambda: application._answers(port),
        environment={**environment.of_the_stores(), "RATE_LIMIT_PER_MINUTE": "0", **variables},
    )


@contextmanager
def running(served: str = _SERVED, **variables: str) -> Iterator[Web]:
    """Ends with an error if one of its processes has not lived through it all."""
    port = ports.pick_free()
    with Process(program(port, served, **variables)) as process:
        web = Web(port, psutil.Process(process.process.pid))  # type: ignore[union-attr]
        began = web.process.children()
        yield web
        assert web.process.children() == began, "a web process died"
