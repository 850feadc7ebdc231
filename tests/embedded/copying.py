"""Commands on the data folder of a stack, and events that come while it is copied."""

import json
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3

from embedded import data_folder
from embedded.supervision.processes import PROJECT
from tests.embedded.stack import READY_SECONDS, Stack, environment
from tests.faults import audit
from tests.waiting import wait_until

NOW = datetime.now(UTC)
LOG_IN = """
import os, pathlib
from django.contrib.auth import authenticate
password = pathlib.Path(os.environ["DATA_DIR"], "admin-password").read_text().strip()
print(authenticate(username="admin", password=password), "can log in")
"""


class Load(threading.Thread):
    """Posts events of this and an older day until told to stop."""

    def __init__(self, port: int, query: str = "") -> None:
        super().__init__()
        self._address = f"http://127.0.0.1:{port}/events{query}"
        self.accepted: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            self.send([str(uuid.uuid4()) for _ in range(50)])

    def send(self, ids: list[str]) -> None:
        body = json.dumps([event(n, event_id) for n, event_id in enumerate(ids)])
        headers = {"Content-Type": "application/json"}
        answer = urllib3.request("POST", self._address, body=body, headers=headers, retries=False)
        assert answer.json()["accepted"] == len(ids)
        self.accepted += ids


def event(number: int, event_id: str) -> dict[str, object]:
    occurred_at = NOW - timedelta(days=40 if number % 4 == 0 else 1)
    return {
        "event_id": event_id,
        "occurred_at": occurred_at.isoformat(timespec="milliseconds"),
        "user_id": f"user {number}",
        "event_type": "view",
    }


def run(*words: str, data: Path) -> subprocess.CompletedProcess[str]:
    """A command of a second terminal, which knows nothing but the data folder."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env=environment(data, port=1),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def manage(folder: Path, *statements: str) -> str:
    """What these statements print, in one process: each takes seconds to start."""
    lines = "\n".join(["from django.core.management import call_command", *statements])
    done = run("manage.py", "shell", "--verbosity=0", "--command", lines, data=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def backup(*words: str, data: Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "embedded.backup", *words, data=data)


def wait_until_drained(folder: Path) -> None:
    variables = data_folder.announced_in(folder)
    wait_until(lambda: audit.waiting(variables) == 0, seconds=READY_SECONDS, every=0.1)


def ids_of(stack: Stack) -> list[str]:
    url = data_folder.announced_in(stack.folder)["CLICKHOUSE_URL"]
    return [str(event_id) for [event_id] in audit.ask(url, "SELECT event_id FROM events")]
