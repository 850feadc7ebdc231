"""The disk of the tests that fill one."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.project import PROJECT
from tests.small_disk import small_disk
from tests.waiting import wait_until

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.small_disk import small_disk
with small_disk(Path(sys.argv[1]), size="1m"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    with small_disk(folder, size="1m") as is_there:
        assert folder.is_mount() == is_there
    assert not folder.is_mount()


def test_it_is_gone_with_a_process_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    command = [sys.executable, "-c", KILLED, str(folder)]
    done = subprocess.run(command, cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not folder.is_mount(), seconds=20)
