"""Stopped or killed at any point, an import goes on where it was: nothing doubled or skipped."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.settings import BASE_DIR
from events.models import Batch
from importer.models import Import
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests import environment
from tests.analytics.histories import ASKED_FOR
from tests.importer.importing import HEADER, import_events, refused, rows_of, written
from tests.importer.running import ROWS, in_thread, reached, start
from tests.stored import counts, deliver_all
from tests.waiting import wait_until
from tests.warm import Heard

pytestmark = pytest.mark.usefixtures("stores", "small_batches")

KILLS = 10 if ASKED_FOR else 4


def _is_at(goal: int, process: Heard) -> bool:
    return reached() >= goal or process.poll() is not None


def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
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
    assert "continued after" in printed
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
    assert "Stopped. Run the same command again to continue." in said
    assert "Traceback" not in said
    row = Import.objects.get()
    assert row.state == Import.State.STOPPED
    assert f"read {row.read}, stored {row.read}" in said
    printed, _ = import_events(path)
    assert f"continued after {row.read} rows" in printed
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
    assert "stopped, because 1 of 2,000 rows are bad" in complaints
    assert Import.objects.get().state == Import.State.FAILED
    printed, _ = import_events(path)
    assert "continued after 2000 rows" in printed
    assert "read 3000, stored 2999, duplicate 0, bad 1" in printed


@pytest.mark.parametrize(
    ("earlier", "later"), [(5, range(2000, 2006)), (10, (2000, 4000))], ids=["some", "all"]
)
def test_bad_rows_of_earlier_runs_count_against_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int, later: Sequence[int]
) -> None:
    rows = rows_of(6000)
    for n in (*range(earlier), *later):
        rows[n][0] = "bad"
    path = written(tmp_path / "events.csv", rows)
    stop = threading.Event()
    first = import_file(path, Run(DEFAULT, stop=stop, watch=lambda *_: stop.set()))
    assert (first.row.read, first.row.bad, first.waiting) == (1000, earlier, 0)
    assert 0 < first.seconds < 600
    # One batch, unless what is allowed ends it.
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 20_000)
    assert "stopped, because 11 of 3,000 rows are bad" in refused(path, "--max-errors", "10")[1]
    assert (Import.objects.get().read, counts()[0]) == (3000, 2989)


def test_options_that_are_refused_cost_no_place_in_the_file(tmp_path: Path) -> None:
    rows = rows_of(3000)
    rows[1500][0] = "bad"
    path = written(tmp_path / "events.csv", rows)
    refused(path, "--max-errors", "0")
    assert "no column usr for user_id" in refused(path, "--map", "user_id=usr")[1]
    assert "continued after 2000 rows" in import_events(path)[0]


def test_the_same_file_twice_at_once_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    process = start(path)
    wait_until(lambda: reached() > 0)
    assert "is being imported by another process" in refused(path)[1]
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert counts() == (ROWS, ROWS, ROWS)


def test_ctrl_c_ends_it_while_standard_input_says_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_events", "-"],
        cwd=BASE_DIR,
        env=environment.of_the_stores(),
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


def test_a_pipe_is_read_while_it_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "events.csv"
    os.mkfifo(pipe)
    rows = written(tmp_path / "plain.csv", rows_of(3000)).read_bytes()
    ended: list[Any] = []
    thread = in_thread(pipe, ended)
    with pipe.open("wb") as file:
        for place in range(0, len(rows), 20_000):
            file.write(rows[place : place + 20_000])
            file.flush()
            time.sleep(0.005)
    thread.join(30)
    assert ended[0].row.stored == 3000
