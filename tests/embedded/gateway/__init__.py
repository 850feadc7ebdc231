"""A gateway process as the stack would start it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from embedded.ports import pick_free

READY_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> int:
        """ClickHouse's number of the error; 0 for none."""
        return int(self.headers.get("X-ClickHouse-Exception-Code", 0))


@dataclass
class Gateway:
    folder: Path
    port: int = field(default_factory=pick_free)
    process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        """Start it and wait for its first `/ping`."""
        self.process = launch("--path", str(self.folder), "--port", str(self.port), *options)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "the gateway never answered"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/ping").body == b"Ok.\n"
        except OSError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode

    def client(self, **options: Any) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1",
            port=self.port,
            autogenerate_session_id=False,
            dedicated_pool=True,
            tz_mode="aware",
            **options,
        )

    def request(
        self, method: str, target: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own, as bare as http.client makes it."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, headers or {})  # type: ignore[arg-type]
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def post(self, body: bytes, target: str = "/", **headers: str) -> Answer:
        """A POST; `content_encoding=` and the like become headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", target, body, named)

    def value(self, sql: str) -> str:
        """The one value of a query, as text."""
        answer = self.post(sql.encode())
        assert answer.status == 200, answer.body
        return answer.body.decode().rstrip("\n")

    def memory_mib(self) -> int:
        """Memory of the process's own: what it maps of files is the kernel's to drop."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"RssAnon:\s+(\d+) kB", status)
        assert match
        return int(match[1]) // 1024


def launch(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "embedded.gateway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Gateway]:
    """A gateway of one's own on a data folder; gone at the end, whatever happened."""
    gateway = Gateway(folder)
    try:
        gateway.start(*options)
        yield gateway
    finally:
        if gateway.process is not None:
            gateway.process.kill()
            gateway.process.communicate()
