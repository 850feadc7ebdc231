"""`make backup` under load and `make restore`: nothing that was accepted before is lost."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import urllib3

from embedded import data_folder
from embedded.supervision.processes import PROJECT
from tests.embedded.stack import READY_SECONDS, Stack, environment, running
from tests.faults import audit
from tests.waiting import wait_until

NOW = datetime.now(UTC)


class Load(threading.Thread):
    """Posts events of this and an older day until told to stop."""

    def __init__(self, port: int, query: str = "") -> None:
        super().__init__()
        self._address = f"http://127.0.0.1:{port}/events{query}"
        self.accepted: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.send([str(uuid.uuid4()) for _ in range(200)])

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
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env=environment(data, port=1),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def backup(*words: str, data: Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "embedded.backup", *words, data=data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backup")


@pytest.fixture(scope="module")
def saved(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A backup taken while events came, and the ids that had been accepted before it."""
    with running(folder / "data", RATE_LIMIT_PER_MINUTE="0") as stack:
        stack.wait_until_ready()
        (stack.folder / "imports").mkdir(exist_ok=True)
        (stack.folder / "imports" / "upload").write_text("not yet imported")
        run("manage.py", "make_project", "staging", data=stack.folder).check_returncode()
        Load(stack.port, "?project=staging&wait=true").send([str(uuid.uuid4()) for _ in range(7)])
        load = Load(stack.port)
        load.start()
        try:
            wait_until(lambda: len(load.accepted) > 4000, seconds=READY_SECONDS)
            before = list(load.accepted)
            done = backup(str(folder / "backup"), data=stack.folder)
        finally:
            load.stopped.set()
            load.join()
        assert done.returncode == 0, done.stderr
        assert len(load.accepted) > len(before)
        # Gone amid what it did.
        stack.process.kill()
        yield folder / "backup", before


@pytest.fixture(scope="module")
def restored(folder: Path, saved: tuple[Path, list[str]]) -> Iterator[Stack]:
    new = folder / "new"
    done = backup("--restore", str(saved[0]), data=new)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the stores agree" in done.stdout
    # What the worker had taken when it was copied is taken up again after so long.
    with running(new, RATE_LIMIT_PER_MINUTE="0", QUEUE_VISIBILITY_TIMEOUT_SECONDS="5") as stack:
        stack.wait_until_ready()
        wait_until_drained(new)
        yield stack


def wait_until_drained(folder: Path) -> None:
    variables = data_folder.announced_in(folder)
    wait_until(lambda: audit.waiting(variables) == 0, seconds=READY_SECONDS, every=0.1)


def ids_of(stack: Stack) -> list[str]:
    url = data_folder.announced_in(stack.folder)["CLICKHOUSE_URL"]
    return [str(event_id) for [event_id] in audit.ask(url, "SELECT event_id FROM events")]


def test_a_backup_is_for_its_owner_alone(saved: tuple[Path, list[str]]) -> None:
    assert saved[0].stat().st_mode & 0o777 == 0o700


def test_all_that_was_accepted_before_is_there_again_and_once(
    saved: tuple[Path, list[str]], restored: Stack
) -> None:
    done = run("manage.py", "verify_stores", "--repair", data=restored.folder)
    assert "the stores agree" in done.stdout, done.stdout + done.stderr
    ids = ids_of(restored)
    assert len(ids) == len(set(ids))
    assert set(saved[1]) <= set(ids)


def test_the_reports_say_what_the_events_do(restored: Stack) -> None:
    url = data_folder.announced_in(restored.folder)["CLICKHOUSE_URL"]
    assert audit.ask(url, audit.differing(audit.ROLLUPS)) == []


def test_what_is_sent_again_is_known_and_what_is_new_is_taken(
    saved: tuple[Path, list[str]], restored: Stack
) -> None:
    there = set(ids_of(restored))
    Load(restored.port).send([*saved[1][:100], str(uuid.uuid4())])
    wait_until_drained(restored.folder)
    assert len(ids_of(restored)) == len(there) + 1


def test_the_other_projects_are_there_again(restored: Stack) -> None:
    done = run("manage.py", "list_projects", data=restored.folder)
    assert done.stdout.split("\n")[1].endswith("\tstaging\tstaging\tUTC")
    query = "from=2020-01-01&to=2040-01-01&project=staging"
    answer = urllib3.request("GET", f"http://127.0.0.1:{restored.port}/stats/top-events?{query}")
    assert answer.json() == [{"event_type": "view", "count": 7}]


def test_users_keys_and_uploads_are_those_they_were(
    saved: tuple[Path, list[str]], restored: Stack
) -> None:
    for name in ("secret-key", "admin-password", "imports/upload"):
        assert (saved[0] / name).read_text() == (restored.folder / name).read_text()
    with psycopg.connect(data_folder.announced_in(restored.folder)["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT username FROM auth_user").fetchall() == [("admin",)]


def test_a_folder_that_has_data_is_not_restored_into(
    saved: tuple[Path, list[str]], folder: Path
) -> None:
    done = backup("--restore", str(saved[0]), data=folder / "data")
    assert (done.returncode, "has data already" in done.stderr) == (1, True)


def test_what_can_not_be_backed_up_is_named_and_leaves_nothing(
    saved: tuple[Path, list[str]], folder: Path
) -> None:
    done = backup(str(folder / "one"), data=folder / "nothing")
    assert f"no stack runs on DATA_DIR={folder / 'nothing'}" in done.stderr
    assert f"{saved[0]} exists already" in backup(str(saved[0]), data=folder / "data").stderr
    assert "is not a backup" in backup("--restore", str(folder / "x"), data=folder / "y").stderr
    assert not (folder / "one").exists()
