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


@pytest.mark.parametrize(
    ("lie", "is_taken"),
    [
        ("import sys", True),
        ("import sys; sys.version_info = (3, 9)", False),
        ("import sys; sys.modules['venv'] = None", False),
        ("import sys; sys.modules['ensurepip'] = None", False),
    ],
)
def test_one_of_another_version_or_without_virtual_environments_is_not_chosen(
    lie: str, is_taken: bool, tmp_path: Path
) -> None:
    """A real one whose clock is slow, and whose version or modules are lied about."""
    clock = "import itertools, time; now = itertools.count(1); "
    clock += "time.process_time = lambda: next(now) / 1e9"
    folder = python_that(tmp_path / "it", f'exec "{sys.executable}" -c "{clock}\n{lie}\n$2"')
    assert chosen(folder) == (str(folder / NAME) if is_taken else sys.executable)


def test_without_a_path_it_is_the_one_that_asks() -> None:
    assert chosen() == sys.executable
