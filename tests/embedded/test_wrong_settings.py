"""A wrong setting ends a program with a sentence that names it, before anything is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from embedded import ports
from embedded.supervision.processes import PROJECT
from tests.embedded.stack import environment, refused

SAID = "RATE_LIMIT_PER_MINUTE must be a whole number, got 'abc'"
WRONG = {"RATE_LIMIT_PER_MINUTE": "abc"}


def test_the_stack_says_so_before_it_makes_stores(tmp_path: Path) -> None:
    assert refused(tmp_path, ports.pick_free(), **WRONG) == f"Stopped: {SAID}\n"
    assert {path.name for path in tmp_path.iterdir()} <= {"lock", "secret-key"}


@pytest.mark.parametrize(
    "command", [["manage.py", "list_projects"], ["-m", "embedded.commands", "list_projects"]]
)
def test_a_command_says_nothing_else(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=environment(tmp_path, port=1, **WRONG),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, f"{SAID}\n")
