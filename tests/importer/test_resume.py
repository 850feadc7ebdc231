"""Stopped or killed at any point, an import goes on where it was: nothing doubled or skipped."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from config.settings import BASE_DIR
from events.lock import take as take_lock
from events.models import Batch
from importer import delivery, lock, store
from importer.chunks import FileRefused
from importer.models import Import
from importer.run import Run, import_file
from tests.importer.test_import_events import (
    HEADER,
    _environment,
    counts,
    import_events,
    refused,
    rows_of,
    written,
)
from tests.waiting import deliver_all, wait_until

pytestmark = pytest.mark.usefixtures("stores")

ROWS = 24_000
KILLS = 10


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importer.batches.BATCH_ROWS", 1000)


def start(path: Path) -> "subprocess.Popen[bytes]":
    """The command as a process of its own, in batches of a thousand rows."""
    code = (
        "import django; django.setup(); import importer.batches as b; b.BATCH_ROWS = 1000\n"
        "import sys; from django.core.management import call_command\n"
        "call_command('import_events', sys.argv[1])"
    )
    environment = {**_environment(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def reached() -> int:
    row = Import.objects.first()
    return row.read if row else 0


def _is_at(goal: int, process: "subprocess.Popen[bytes]") -> bool:
    return reached() >= goal or process.poll() is not None


def _is_past(goal: int, ended: list[Any]) -> bool:
    return reached() >= goal or bool(ended)


def test_killed_ten_times_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
    rows = rows_of(ROWS)
    for n in range(0, ROWS, 100):
        rows[n] = [*rows[n][:4], "{bad"]
    rows += rows[: ROWS // 10]
    path = written(tmp_path / "events.csv", rows)
    aim = random.Random(7)
    for kill in range(KILLS):
        process = start(path)
        goal = (kill + 1) * ROWS // (KILLS + 2)
        wait_until(partial(_is_at, goal, process))
        time.sleep(aim.random() * 0.05)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert Import.objects.get().state == Import.State.RUNNING
    printed, _ = import_events(path)
    bad = ROWS // 100 + ROWS // 1000
    stored, duplicates = ROWS * 99 // 100, ROWS // 10 * 99 // 100
    assert "went on behind" in printed
    assert f"stored {stored}, duplicate {duplicates}, bad {bad}" in printed
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (stored, stored, stored)
    rejected = Path(f"{path}.rejected.csv").read_text().splitlines()
    lines = [int(line.split(",")[0]) for line in rejected[1:]]
    assert lines == sorted(set(lines))
    assert len(lines) == bad


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    process = start(path)
    wait_until(lambda: reached() > 0)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130
    assert "Stopped; the same command goes on from here." in said
    assert "Traceback" not in said
    row = Import.objects.get()
    assert row.state == Import.State.STOPPED
    assert f"read {row.read}, stored {row.read}" in said
    printed, _ = import_events(path)
    assert f"went on behind {row.read} rows" in printed
    assert f"read {ROWS}, stored {ROWS}, duplicate 0, bad 0" in printed


def test_with_other_options_a_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", rows_of(5), header=["id", *HEADER[1:]])
    import_events(path, "--map", "event_id=id")
    assert "skipped" in import_events(path, "--map", "event_id=id")[0]
    printed, _ = import_events(path, "--map", "event_id=id", "--set", "user_id=u9")
    assert "stored 0, duplicate 5" in printed


def test_a_failed_import_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = rows_of(3000)
    rows[1500][0] = "bad"
    path = written(tmp_path / "events.csv", rows)
    _, complaints = refused(path, "--max-errors", "0")
    assert "stopped, as 1 of 2,000 rows are bad" in complaints
    assert Import.objects.get().state == Import.State.FAILED
    printed, _ = import_events(path)
    assert "went on behind 2000 rows" in printed
    assert "read 3000, stored 2999, duplicate 0, bad 1" in printed


def test_bad_rows_of_earlier_runs_count_against_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(6000)
    for n in (*range(5), *range(2000, 2006)):
        rows[n][0] = "bad"
    path = written(tmp_path / "events.csv", rows)
    stop = threading.Event()
    first = import_file(path, Run(stop=stop, watch=lambda *_: stop.set()))
    assert (first.row.read, first.row.bad) == (1000, 5)
    # One batch, unless what is allowed ends it.
    monkeypatch.setattr("importer.batches.BATCH_ROWS", 20_000)
    assert "stopped, as 11 of 3,000 rows are bad" in refused(path, "--max-errors", "10")[1]
    assert (Import.objects.get().read, counts()[0]) == (3000, 2989)


def test_options_that_are_refused_cost_no_place_in_the_file(tmp_path: Path) -> None:
    rows = rows_of(3000)
    rows[1500][0] = "bad"
    path = written(tmp_path / "events.csv", rows)
    refused(path, "--max-errors", "0")
    assert "no column usr for user_id" in refused(path, "--map", "user_id=usr")[1]
    assert "went on behind 2000 rows" in import_events(path)[0]


def test_the_same_file_twice_at_once_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    process = start(path)
    wait_until(lambda: reached() > 0)
    assert "is being imported by another process" in refused(path)[1]
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert counts() == (ROWS, ROWS, ROWS)


# --- While stores restart -----------------------------------------------------------------------


def _in_thread(path: Path, ended: list[Any]) -> threading.Thread:
    def work() -> None:
        try:
            ended.append(import_file(path, Run()))
        except Exception as error:
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.fixture
def fresh_pool() -> Iterator[None]:
    """No later test is handed a connection that this one has ended."""
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fresh_pool")
def test_postgresql_restarting_amid_an_import_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The deliverer's connection ends too: what it had claimed is free after its lease only.
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 1.0)
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    ended: list[Any] = []
    thread = _in_thread(path, ended)
    for goal in (2000, 8000, 15_000):
        wait_until(partial(_is_past, goal, ended))
        _end_all_connections()
    thread.join(60)
    [summary] = ended
    assert (summary.row.read, summary.row.stored, summary.row.duplicates) == (ROWS, ROWS, 0)
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (ROWS, ROWS, ROWS)


def _end_all_connections() -> None:
    """What a restart does to whoever is connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.usefixtures("fresh_pool")
def test_an_import_whose_lock_another_has_taken_stores_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored = store.Storer._store
    others: list[Any] = []

    def lose_the_lock(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        if not others:
            lock._held[self._row.key]._own.close()  # as a connection that breaks does
            others.append(take_lock(int.from_bytes(bytes.fromhex(self._row.key)[:8], signed=True)))

    monkeypatch.setattr(store.Storer, "_store", lose_the_lock)
    try:
        assert "is being imported by another process" in refused(path)[1]
    finally:
        others[0].release()
    assert (Import.objects.get().read, Import.objects.get().state) == (1000, "running")
    assert "stored 3000" in import_events(path)[0]


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored, lost = store.Storer._store, [2]

    def lose_the_answer(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        lost[0] -= 1
        if not lost[0]:
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store.Storer, "_store", lose_the_answer)
    summary = import_file(path, Run())
    assert (summary.row.read, summary.row.stored, summary.row.duplicates) == (3000, 3000, 0)


def test_a_postgresql_that_stays_away_ends_it_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise psycopg.OperationalError("connection refused")

    path = written(tmp_path / "events.csv", rows_of(10))
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(store.Storer, "_store", away)
        _, complaints = refused(path)
    assert "PostgreSQL failed: connection refused" in complaints
    assert "run the same command again" in complaints
    assert "stored 10" in import_events(path)[0]


def test_clickhouse_restarting_amid_an_import_loses_and_doubles_nothing(
    tmp_path: Path, settings: Any
) -> None:
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    ended: list[Any] = []
    there, thread = settings.CLICKHOUSE_URL, _in_thread(path, ended)
    wait_until(lambda: reached() >= 4000)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    wait_until(partial(_is_past, 12_000, ended))
    settings.CLICKHOUSE_URL = there
    thread.join(60)
    assert not isinstance(ended[0], Exception)
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (ROWS, ROWS, ROWS)


def test_a_file_that_changes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored = store.Storer.store

    def grow(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        with path.open("a") as file:
            file.write("more\n")

    monkeypatch.setattr(store.Storer, "store", grow)
    with pytest.raises(FileRefused, match="was changed while it was read"):
        import_file(path, Run())
    assert Import.objects.get().state == Import.State.FAILED
    assert os.path.getsize(path) > 0


def test_a_pipe_is_read_while_it_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "events.csv"
    os.mkfifo(pipe)
    rows = written(tmp_path / "plain.csv", rows_of(3000)).read_bytes()
    ended: list[Any] = []
    thread = _in_thread(pipe, ended)
    with pipe.open("wb") as file:
        for start in range(0, len(rows), 20_000):
            file.write(rows[start : start + 20_000])
            file.flush()
            time.sleep(0.005)
    thread.join(30)
    assert ended[0].row.stored == 3000


def test_ctrl_c_ends_it_while_standard_input_says_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_events", "-"],
        cwd=BASE_DIR,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(",".join(HEADER).encode() + b"\n")
    process.stdin.flush()
    wait_until(lambda: Import.objects.filter(state="running").exists())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    process.stdin.close()
    assert Import.objects.get().state == Import.State.STOPPED
