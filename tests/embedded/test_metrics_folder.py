"""Where the service's processes count together under `make up`."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import metrics_folder
from tests.project import PROJECT

HOLDS = """
import sys, time
from pathlib import Path
from embedded import metrics_folder
metrics_folder.MEMORY = Path(sys.argv[1])
with metrics_folder.made(Path(sys.argv[2])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for the machine's: other stacks may run on it."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(metrics_folder, "MEMORY", folder)
    return folder


def test_it_is_in_memory_and_of_one_user_alone_and_is_gone_afterwards(
    memory: Path, tmp_path: Path
) -> None:
    with metrics_folder.made(tmp_path) as folder:
        assert folder.parent == memory
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "counter_1.db").touch()
        with metrics_folder.made(tmp_path) as another:  # of a second stack
            assert another != folder
        assert (folder / "counter_1.db").exists()
    assert not folder.exists()


def test_what_a_killed_stack_has_left_is_removed_by_the_next_start(
    memory: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", HOLDS, str(memory), str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout
        left = Path(killed.stdout.readline().strip())
        with metrics_folder.made(tmp_path):
            assert left.exists()
        killed.send_signal(signal.SIGKILL)
    assert left.exists()
    with metrics_folder.made(tmp_path):
        assert not left.exists()


@pytest.mark.parametrize("lacks", ["the folder", "room"])
def test_without_room_in_memory_it_is_with_the_data(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    if lacks == "room":
        monkeypatch.setattr(metrics_folder, "LEAST_BYTES", 2**62)
    else:
        memory.rmdir()
    with metrics_folder.made(tmp_path) as folder:
        assert folder == tmp_path / "metrics"
