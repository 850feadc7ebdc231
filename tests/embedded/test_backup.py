"""Backups that are not complete, and folders that a restore has not filled.

`test_stack` has the whole ones: these tests start no store.
"""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import backup as copies
from embedded import data_folder
from embedded.supervision.processes import PROJECT, StackError
from tests.embedded.copying import backup
from tests.embedded.stack import environment, refused

PARTS = ("postgres.dump", copies.QUEUE, copies.DATABASES, "clickhouse/.backup", *copies.FILES)


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """It looks like a backup, but nothing can be restored from it."""
    folder = tmp_path / "monday"
    (folder / "clickhouse").mkdir(parents=True)
    for name in PARTS:
        (folder / name).write_text("x" * 60)
    (folder / "imports").mkdir()
    return folder


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A folder on which a stack seems to run; its stores do not answer."""
    folder = tmp_path / "data"
    for name in copies.OURS:
        (folder / name).mkdir(parents=True)
    (folder / "redis" / copies.QUEUE).touch()
    addresses = "DATABASE_URL=postgresql://events@127.0.0.1:1/events\nCLICKHOUSE_URL=http://x:1"
    (folder / data_folder.ANNOUNCEMENT).write_text(addresses)
    return folder


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor in this process would end the stores of the tests with its own."""
    monkeypatch.setattr(copies, "Supervisor", None)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("part", PARTS)
def test_a_backup_without_a_part_is_refused_before_anything_is_made(
    complete: Path, tmp_path: Path, part: str
) -> None:
    (complete / part).unlink()
    with pytest.raises(StackError, match=f"it has no {part}"):
        copies.restore(tmp_path / "new", complete)
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("nothing_starts")
def test_a_file_that_was_cut_or_lost_is_named(complete: Path, tmp_path: Path) -> None:
    (complete / copies.CONTENTS).write_text(json.dumps({copies.QUEUE: 60, "imports/one": 5}))
    with pytest.raises(StackError, match="it has no imports/one"):
        copies.restore(tmp_path / "new", complete)
    (complete / copies.QUEUE).write_text("x" * 59)
    with pytest.raises(StackError, match="has 59 bytes instead of 60"):
        copies.restore(tmp_path / "new", complete)
    (complete / copies.CONTENTS).write_text("{")
    with pytest.raises(StackError, match="is not complete: contents"):
        copies.restore(tmp_path / "new", complete)
    assert not (tmp_path / "new").exists()


def test_nothing_runs_on_a_folder_whose_restore_failed(complete: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "imports").touch()  # where a folder must be
    said = f"has only a part of the backup {complete}"
    what_to_do = f"Delete {new}, and run again: DATA_DIR={new} make restore FROM={complete}"
    failed = backup("--restore", str(complete), data=new)
    assert failed.returncode == 1
    for printed in (failed.stderr, refused(new, port=1)):
        assert said in printed
        assert what_to_do in printed
    (new / "imports").unlink()
    again = backup("--restore", str(complete), data=new)
    assert (again.returncode, what_to_do in again.stderr) == (1, True)


def test_a_backup_that_fails_leaves_nothing(stack: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="pg_dump failed"):
        copies.backup(stack, tmp_path / "copies" / "monday")
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_backup_that_is_stopped_leaves_nothing(stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "monday"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        announced = stack / data_folder.ANNOUNCEMENT
        port = silent.getsockname()[1]
        announced.write_text(announced.read_text().replace(":1/events", f":{port}/events"))
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded.backup", str(target)],
            cwd=PROJECT,
            env=environment(stack, port=1),
            stderr=subprocess.PIPE,
            text=True,
        )
        client = silent.accept()[0]  # pg_dump, which gets no answer
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        client.close()
    assert (process.returncode, "Stopped by SIGTERM" in said) == (130, True)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"), [([], "make backup TO="), (["--restore"], "make restore FROM=")]
)
def test_a_folder_that_was_not_given_is_asked_for(
    tmp_path: Path, options: list[str], said: str
) -> None:
    done = backup(*options, "", data=tmp_path / "data")
    assert (done.returncode, said in done.stderr) == (2, True)
