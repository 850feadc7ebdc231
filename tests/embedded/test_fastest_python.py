"""Which Python `make` takes, of those on PATH that have one version."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.supervision.processes import PROJECT

NAME = "python{}.{}".format(*sys.version_info)


def chosen(*folders: Path) -> str:
    done = subprocess.run(
        [sys.executable, "embedded/fastest_python.py"],
        cwd=PROJECT,
        env={"PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def python_that(folder: Path, does: str) -> Path:
    folder.mkdir()
    file = folder / NAME
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)
    return folder


def test_the_fastest_is_chosen(tmp_path: Path) -> None:
    slow = python_that(tmp_path / "slow", "echo 5")
    fast = python_that(tmp_path / "fast", "echo 0.000001")
    assert chosen(tmp_path / "absent", slow, fast) == str(fast / NAME)
    assert chosen(slow) == sys.executable


@pytest.mark.parametrize("does", ["exit 1", "echo 0.000001; exit 1", "echo soon", "echo"])
def test_one_that_fails_is_never_chosen(does: str, tmp_path: Path) -> None:
    assert chosen(python_that(tmp_path / "failing", does)) == sys.executable


def test_one_of_another_version_or_without_virtual_environments_fails(tmp_path: Path) -> None:
    """It is a real one that is asked: here one whose version or modules are lied about."""
    lied = "import sys; sys.version_info = (3, 9)", "import sys; sys.modules['venv'] = None"
    for number, lie in enumerate(lied):
        does = f'exec "{sys.executable}" -c "{lie}\n$2\nprint(0.000001)"'
        folder = python_that(tmp_path / str(number), does)
        assert chosen(folder) == sys.executable


def test_without_a_path_it_is_the_one_that_asks() -> None:
    assert chosen() == sys.executable
