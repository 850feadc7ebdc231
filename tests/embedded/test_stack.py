"""The one-machine stack as its user meets it: `python -m embedded` on real stores."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3

from embedded.supervision.processes import PROJECT
from tests.embedded.stack import READY_SECONDS, Stack, environment, left_of, running
from tests.waiting import wait_until

LOG_IN = """
import os, pathlib
from django.contrib.auth import authenticate
password = pathlib.Path(os.environ["DATA_DIR"], "admin-password").read_text().strip()
print(authenticate(username="admin", password=password), "can log in")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "data"


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Iterator[Stack]:
    with running(folder) as stack:
        stack.wait_until_ready()
        yield stack


def refused(folder: Path, port: int) -> str:
    """What a run that must not start prints."""
    finished = subprocess.run(
        [sys.executable, "-m", "embedded"],
        cwd=PROJECT,
        env=environment(folder, port),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    return finished.stderr


def manage(folder: Path, statement: str) -> str:
    """What a second terminal prints, which knows nothing but the data folder."""
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", statement],
        cwd=PROJECT,
        env=environment(folder, port=1),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()


def test_a_first_run_serves_and_prints_its_addresses(first_run: Stack) -> None:
    address = f"http://127.0.0.1:{first_run.port}"
    assert urllib3.request("GET", f"{address}/ready", retries=False).status == 200
    for place in (
        f"{address}/dashboard/",
        f"{address}/docs",
        f"{address}/admin/",
        "postgresql://",
        "redis://",
    ):
        assert place in first_run.printed()


def test_the_admin_password_is_printed_and_kept_for_the_owner_only(first_run: Stack) -> None:
    kept = first_run.folder / "admin-password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert f"password: {kept.read_text().strip()} " in first_run.printed()


def test_a_second_terminal_finds_the_stores_by_the_data_folder(first_run: Stack) -> None:
    assert (first_run.folder / "stack.env").stat().st_mode & 0o777 == 0o600
    assert "admin can log in" in manage(first_run.folder, LOG_IN)


def test_store_passwords_are_not_on_any_command_line(first_run: Stack) -> None:
    for store in ("postgres", "redis", "rate-limit", "clickhouse"):
        password = (first_run.folder / store / "password").read_text()
        assert not [line for line in left_of(first_run.folder) if password in line]


def test_the_clickhouse_gateway_serves_nobody_without_its_password(first_run: Stack) -> None:
    """Its `file()` reads what whoever started the stack can read."""
    announced = (first_run.folder / "stack.env").read_text()
    url = next(line for line in announced.splitlines() if line.startswith("CLICKHOUSE_URL="))
    parts = urlsplit(url.partition("=")[2])
    address = f"http://{parts.hostname}:{parts.port}/?query=SELECT%201"
    assert urllib3.request("GET", address, retries=False).status == 403
    key = {"X-ClickHouse-Key": parts.password or ""}
    assert urllib3.request("GET", address, headers=key, retries=False).data == b"1\n"


def test_a_second_run_on_the_same_folder_is_refused_naming_the_first(first_run: Stack) -> None:
    said = refused(first_run.folder, first_run.port)
    assert f"{first_run.folder} is in use by another run (pid {first_run.process.pid})" in said


def test_the_stack_itself_holds_the_lock_of_the_folder(first_run: Stack) -> None:
    """By the stack itself: the stores come and go."""
    files = psutil.Process(first_run.process.pid).open_files()
    assert str(first_run.folder / "lock") in [file.path for file in files]


def test_temporary_files_lie_in_the_data_folder(first_run: Stack) -> None:
    """A worker that is killed leaves some; the next start empties the folder."""
    assert list((first_run.folder / "tmp").glob("pymp-*"))


def test_a_taken_port_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"PORT={port} cannot be used: Address already in use" in refused(tmp_path, port)


@pytest.mark.parametrize("parent", ["/dev/null", "/proc"])
def test_a_folder_that_cannot_be_written_is_refused_by_name(parent: str) -> None:
    folder = Path(parent) / "data"
    assert f"DATA_DIR={folder} cannot be used" in refused(folder, port=1)


def test_a_killed_web_process_is_replaced_by_its_parent(first_run: Stack) -> None:
    web = first_run.child("embedded.web")
    killed = web.children()[0]
    killed.kill()
    wait_until(
        lambda: len(web.children()) == 2 and killed not in web.children(), seconds=READY_SECONDS
    )
    # It has its threads once it serves.
    wait_until(
        lambda: all(child.num_threads() > 2 for child in web.children()), seconds=READY_SECONDS
    )
    address = f"http://127.0.0.1:{first_run.port}/health"
    assert urllib3.request("GET", address, retries=False).status == 200
    assert first_run.process.poll() is None


def test_sigterm_ends_everything_cleanly(first_run: Stack) -> None:
    assert first_run.stop(signal.SIGTERM) == 0
    assert left_of(first_run.folder) == []
    assert not (first_run.folder / "stack.env").exists()


def test_the_next_run_finds_the_data(first_run: Stack) -> None:
    first_run.stop(signal.SIGTERM)
    with running(first_run.folder) as stack:
        stack.wait_until_ready()
        assert "password:" not in stack.printed()
        assert "admin can log in" in manage(stack.folder, LOG_IN)


def test_the_demo_shows_the_answers_on_a_store_of_the_environment(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--demo", DATABASE_URL=os.environ["DATABASE_URL"]) as stack:
        stack.wait_until_printed("cohort_week")
        assert not (stack.folder / "postgres").exists()
        for words in ("0 already there", "/stats/dau?", "unique_users", "page_view", "week_4"):
            assert words in stack.printed()
        stack.process.kill()  # and nothing is left, though nobody could tidy up
        wait_until(lambda: left_of(stack.folder) == [], seconds=20)
