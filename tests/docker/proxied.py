"""nginx in front of two api processes, and what its log says of them."""

import json
import socket
from collections import Counter
from contextlib import ExitStack
from typing import NamedTuple
from uuid import uuid4

import psutil

from embedded import ports
from embedded.supervision.processes import Process
from tests.docker import nginx
from tests.docker.nginx import Proxy
from tests.waiting import wait_until

# Low enough to be reached by a test, high enough for the others.
LIMIT = 150


class Stack(NamedTuple):
    """nginx and its api processes by their addresses."""

    proxy: Proxy
    apis: dict[str, Process]
    processes: ExitStack

    def start(self, address: str) -> None:
        program = nginx.api(int(address.split(":")[1]), RATE_LIMIT_PER_MINUTE=str(LIMIT))
        self.apis[address] = self.processes.enter_context(Process(program))

    def kill(self, address: str) -> None:
        process = self.apis[address].process
        assert process
        parent = psutil.Process(process.pid)
        for one in [parent, *parent.children(recursive=True)]:
            one.kill()

    def served(self, count: int) -> Counter[str]:
        """Who answered so many requests: the last of those that nginx tried."""
        name = uuid4().hex
        for _ in range(count):
            assert self.proxy.status("GET", "/health", X_Request_ID=name) == 200
        wait_until(lambda: len(lines_of(self.proxy, name)) == count)
        lines = lines_of(self.proxy, name)
        return Counter(str(line["upstream"]).split(", ")[-1] for line in lines)


def lines_of(proxy: Proxy, request_id: str) -> list[dict[str, object]]:
    """The access log's lines with this id; nginx writes them after the answer."""

    def found() -> list[dict[str, object]]:
        lines = [json.loads(line) for line in proxy.log]
        return [line for line in lines if line["request_id"] == request_id]

    wait_until(found)
    return found()


def first_line(proxy: Proxy, request: bytes) -> bytes:
    with socket.create_connection((ports.HOST, proxy.port), timeout=20) as client:
        client.sendall(request)
        return client.recv(65536).split(b"\r\n")[0]
