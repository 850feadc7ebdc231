"""As whom PostgreSQL is launched when the stack is started by root."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedded.stores import identity
from embedded.supervision import launch
from embedded.supervision.processes import PROJECT, Program, launch_command
from tests.embedded.stack import runs
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its identity")


PARENT = """
import subprocess, sys
from pathlib import Path
from embedded.supervision.processes import Program, launch_command
sleeper = Program(name="s", command=["sleep", "600"], identity=sys.argv[1], folder=Path("/"))
with subprocess.Popen(launch_command(sleeper)) as child:
    print(child.pid, flush=True)
"""


def run_as(who: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    program = Program(name="trial", command=list(command), identity=who, folder=folder)
    return subprocess.run(
        launch_command(program), capture_output=True, text=True, check=False, timeout=20
    )


def test_the_chosen_identity_is_not_root_and_owns_the_folder(tmp_path: Path) -> None:
    who = identity.choose(tmp_path, Path("/bin/true"))
    assert who is not None
    assert run_as(who, tmp_path, "id", "--user").stdout.strip() != "0"
    assert run_as(who, tmp_path, "test", "-O", ".").returncode == 0


def test_a_plain_user_cannot_enter_a_folder_of_root_but_one_that_reaches_can(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    assert "Permission denied" in run_as("user", tmp_path, "id").stderr
    finished = run_as("user-that-reaches", tmp_path, "id", "--user")
    assert finished.stdout.strip() == str(launch.unprivileged_user()[0])


@pytest.mark.parametrize("who", launch.IDENTITIES)
def test_it_ends_with_its_parent_whatever_its_user(who: str) -> None:
    """The kernel stops watching the parent of a process that changes its user."""
    if run_as(who, Path("/"), "true").returncode != 0:
        pytest.skip(f"this machine refuses {who}")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, who], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_until(lambda: child.name() == "sleep", seconds=10)
        parent.kill()
        parent.wait()
        wait_until(lambda: not runs(child), seconds=10)
