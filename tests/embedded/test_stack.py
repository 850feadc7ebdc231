"""The one-machine stack as its user meets it: `python -m embedded` on real stores.

And `make backup` of it under load, then `make restore`: nothing that was accepted before is lost.

A stack takes many seconds to start, so the first run is that of the demo, and the one that is
backed up; the second is the restored one; the third is the next run of the first.
"""

import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import urllib3

from embedded import backup as copies
from embedded import data_folder, metrics_folder
from embedded.supervision.processes import StackError
from tests.embedded.copying import LOG_IN, Load, backup, ids_of, manage, wait_until_drained
from tests.embedded.stack import READY_SECONDS, Stack, left_of, refused, running
from tests.faults import audit
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "data"


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Iterator[Stack]:
    with running(folder, "--demo", RATE_LIMIT_PER_MINUTE="0") as stack:
        stack.wait_until_printed("cohort_week")
        yield stack


@pytest.fixture(scope="module")
def second_terminal(first_run: Stack) -> str:
    """What it prints; it makes another project with some events too."""
    said = manage(first_run.folder, LOG_IN, "call_command('make_project', 'staging')")
    Load(first_run.port, "?project=staging&wait=true").send([str(uuid.uuid4()) for _ in range(7)])
    return said


@pytest.fixture(scope="module")
def saved(
    first_run: Stack, second_terminal: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A backup taken while events came, and the ids that had been accepted before it."""
    copy = tmp_path_factory.mktemp("copy") / "backup"
    (first_run.folder / "imports").mkdir(exist_ok=True)
    (first_run.folder / "imports" / "upload").write_text("not yet imported")
    load = Load(first_run.port)
    load.start()
    try:
        wait_until(lambda: len(load.accepted) > 1000, seconds=READY_SECONDS)
        before = list(load.accepted)
        done = backup(str(copy), data=first_run.folder)
    finally:
        load.stopped.set()
        load.join()
    assert done.returncode == 0, done.stderr
    assert len(load.accepted) > len(before)
    return copy, before


@pytest.fixture(scope="module")
def restored(
    saved: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    new = tmp_path_factory.mktemp("restored") / "new"
    done = backup("--restore", str(saved[0]), data=new)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the stores agree" in done.stdout
    # What the worker had taken when it was copied is taken up again after so long.
    with running(new, RATE_LIMIT_PER_MINUTE="0", QUEUE_VISIBILITY_TIMEOUT_SECONDS="5") as stack:
        stack.wait_until_ready()
        wait_until_drained(new)
        yield stack


@pytest.fixture(scope="module")
def listed(restored: Stack) -> str:
    """What a verification of the restored stack says, and its list of projects."""
    return manage(
        restored.folder,
        "call_command('verify_stores', repair=True)",
        "call_command('list_projects')",
    )


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


def test_the_demo_shows_the_answers(first_run: Stack) -> None:
    for words in ("0 already there", "/stats/dau?", "unique_users", "page_view", "week_4"):
        assert words in first_run.printed()


def test_the_admin_password_is_printed_and_kept_for_the_owner_only(first_run: Stack) -> None:
    kept = first_run.folder / "admin-password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert f"password: {kept.read_text().strip()} " in first_run.printed()


def test_a_second_terminal_finds_the_stores_by_the_data_folder(
    first_run: Stack, second_terminal: str
) -> None:
    assert (first_run.folder / "stack.env").stat().st_mode & 0o777 == 0o600
    assert "admin can log in" in second_terminal


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


def test_processes_count_together_where_a_full_disk_does_not_matter(first_run: Stack) -> None:
    counted = Path(data_folder.announced_in(first_run.folder)["METRICS_FOLDER"])
    assert list(counted.glob("*.db"))
    in_memory = metrics_folder._has_room()
    assert counted.parent == (metrics_folder.MEMORY if in_memory else first_run.folder)


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


# --- a backup, and a stack that is made of it


def test_a_backup_is_for_its_owner_alone(saved: tuple[Path, list[str]]) -> None:
    assert saved[0].stat().st_mode & 0o777 == 0o700


def test_what_can_not_be_backed_up_is_named_and_leaves_nothing(
    first_run: Stack, saved: tuple[Path, list[str]], tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing"
    with pytest.raises(StackError, match=f"no stack runs on DATA_DIR={nothing}"):
        copies.backup(nothing, tmp_path / "one")
    with pytest.raises(StackError, match=f"{saved[0]} exists already"):
        copies.backup(first_run.folder, saved[0])
    with pytest.raises(StackError, match="is not a backup"):
        copies.restore(tmp_path / "y", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_all_that_was_accepted_before_is_there_again_and_once(
    saved: tuple[Path, list[str]], restored: Stack, listed: str
) -> None:
    assert "the stores agree" in listed
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


def test_the_other_projects_are_there_again(restored: Stack, listed: str) -> None:
    assert "\tstaging\tstaging\tUTC" in listed
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


def test_a_killed_run_leaves_no_process(restored: Stack) -> None:
    """Though nobody could tidy up."""
    restored.process.kill()
    wait_until(lambda: left_of(restored.folder) == [], seconds=20)


# --- the end of the first run, and the next


def test_sigterm_ends_everything_cleanly(first_run: Stack) -> None:
    assert first_run.stop(signal.SIGTERM) == 0
    assert left_of(first_run.folder) == []
    assert not (first_run.folder / "stack.env").exists()


def test_a_folder_that_has_data_is_not_restored_into(
    first_run: Stack, saved: tuple[Path, list[str]]
) -> None:
    first_run.stop(signal.SIGTERM)
    done = backup("--restore", str(saved[0]), data=first_run.folder)
    assert done.returncode == 1
    assert "has data already (postgres, redis, clickhouse); restore into a new" in done.stderr


def test_the_next_run_finds_the_data_and_uses_a_store_of_the_environment(first_run: Stack) -> None:
    first_run.stop(signal.SIGTERM)
    given = {"RATE_LIMIT_REDIS_URL": os.environ["RATE_LIMIT_REDIS_URL"]}
    with running(first_run.folder, **given) as stack:
        stack.wait_until_ready()
        assert "password:" not in stack.printed()
        assert "admin can log in" in manage(stack.folder, LOG_IN)
        assert given.items() <= data_folder.announced_in(stack.folder).items()
        assert stack.folder / "redis" in stack.folders()
        assert stack.folder / "rate-limit" not in stack.folders()
