"""A stack for the benchmark, in a temporary folder that is removed afterwards."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from embedded import data_folder, ports
from embedded.__main__ import STORE_VARIABLES

START_SECONDS = 180
LAST_LINES = 40


class Stack(NamedTuple):
    port: int
    folder: Path
    # The id of the stack's main process, the parent of all its other processes.
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        return ports.HOST, self.port

    def variables(self) -> dict[str, str]:
        """The environment variables that a process needs to find the stores."""
        return {**self.addresses(), "DATA_DIR": str(self.folder)}

    def delivered(self, table: str = "events") -> int:
        """Rows in a table of ClickHouse."""
        return int(self.ask(f"SELECT count() FROM {table}"))  # noqa: S608 - ours

    def ask(self, sql: str, **parameters: Any) -> bytes:
        """ClickHouse's answer to a statement with `{name:Type}` in it, without a time limit."""
        url = urlsplit(self.addresses()["CLICKHOUSE_URL"])
        query = urlencode({f"param_{name}": value for name, value in parameters.items()})
        asked = urllib.request.Request(
            f"http://{url.hostname}:{url.port}/?{query}",
            data=sql.encode(),
            headers={"X-ClickHouse-Key": url.password or ""},
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own address
            body: bytes = answer.read()
            return body

    def wait_for(self, rows: int, *, table: str = "events", seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while (found := self.delivered(table)) < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {rows} events reached ClickHouse in {seconds} s")
            time.sleep(0.1)

    def addresses(self) -> dict[str, str]:
        """The URLs of the stores by the names of their settings."""
        return data_folder.announced_in(self.folder)


@contextmanager
def running(**variables: str) -> Iterator[Stack]:
    """The whole service without a rate limit, ready; `variables` are additional settings."""
    with TemporaryDirectory(prefix="events-analytics-bench-") as name:
        port, folder, output = ports.pick_free(), Path(name) / "data", Path(name) / "output"
        with output.open("w") as target:
            process = subprocess.Popen(
                [sys.executable, "-m", "embedded"],
                env={**_environment(port, folder), **variables},
                stdout=target,
                stderr=subprocess.STDOUT,
            )
        stack = Stack(port, folder, process.pid)
        try:
            _wait_until_ready(stack, process)
            yield stack
        except BaseException:
            # The stack may be the cause, and its folder is about to be removed.
            lines = output.read_text(errors="replace").splitlines()
            print("\n".join(lines[-LAST_LINES:]), file=sys.stderr)  # noqa: T201
            raise
        finally:
            process.terminate()
            process.wait()


def _environment(port: int, folder: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k not in STORE_VARIABLES}
    own = {"DATA_DIR": str(folder), "PORT": str(port)}
    # The figures include the cost of the rate limit, but it is too high to refuse a request.
    return {**inherited, **own, "RATE_LIMIT_PER_MINUTE": "100000000"}


def _wait_until_ready(stack: Stack, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    url = f"http://{ports.HOST}:{stack.port}/ready"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the stack ended before it was ready")
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise TimeoutError("the stack did not get ready")
