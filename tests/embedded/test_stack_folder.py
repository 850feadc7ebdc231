"""The data folder between one run and the next."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded import data_folder, private_files
from embedded.supervision.processes import PROJECT, StackError

# Claims the folder, leaves a "store" that lives for a second, and is killed.
KILLED_RUN = """
import os, signal, subprocess, sys
from pathlib import Path
from embedded import data_folder
with data_folder.claimed(Path(sys.argv[1])) as lock:
    subprocess.Popen(["sleep", "1"], pass_fds=[lock])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_waits_for_the_stores_of_one_that_was_killed_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "SAY_SECONDS", 0.2)
    said: list[str] = []
    command = [sys.executable, "-c", KILLED_RUN, str(tmp_path)]
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == -9
    began = time.monotonic()
    with data_folder.claimed(tmp_path, say=said.append):
        assert time.monotonic() - began > 0.5
        assert f"DATA_DIR={tmp_path} is still in use by stores of an earlier run" in said[0]
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_the_lock_names_its_holder_and_keeps_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("9" * 19)
    with data_folder.claimed(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_addresses_are_announced_to_the_owner_only_and_taken_back(tmp_path: Path) -> None:
    announcement = tmp_path / "stack.env"
    with data_folder.announced(tmp_path, {"REDIS_URL": "redis://:a=b@127.0.0.1:1/0"}):
        assert announcement.read_text() == "REDIS_URL=redis://:a=b@127.0.0.1:1/0\n"
        assert announcement.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = private_files.secret(tmp_path / "secret")
    assert private_files.secret(tmp_path / "secret") == first
    assert len(first) >= 32


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StackError, match="cannot be used: Permission denied"):
        data_folder.claimed(tmp_path).__enter__()
