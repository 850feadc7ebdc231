"""What the run of the tests sets up for the processes that it starts, and its order."""

import os
import subprocess
import sys
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from embedded.supervision.processes import PROJECT
from tests import conftest

# As pytest does it where xdist runs the tests in other processes.
LEADS = """
import os
from tests import conftest
class Config:
    cleanups = []
    add_cleanup = cleanups.append
    def getoption(self, name, default): return 2
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
conftest.pytest_configure(Config())
print(os.environ.get("DJANGO_SETTINGS_MODULE"), os.path.isdir(os.environ["TMPDIR"]))
open(os.environ["TMPDIR"] + "/left", "w").close()
Config.cleanups[0]()
print(os.path.exists(os.environ["TMPDIR"]))
"""
STARTS = """
import subprocess
from tests import conftest
conftest._have_children_listen()
subprocess.run(["grep", "SigIgn", "/proc/self/status"], check=True)
"""


def output_of(source: str, *by: str) -> str:
    variables = {**os.environ}
    variables.pop("DJANGO_SETTINGS_MODULE", None)
    command = [*by, sys.executable, "-c", source]
    return subprocess.run(
        command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_the_leading_process_passes_on_no_settings_and_removes_what_others_left() -> None:
    """A conftest that imports our Celery app has set them by then, and Django would be set up."""
    assert output_of(LEADS).split() == ["None", "True", "False"]


def test_children_of_a_run_in_the_background_ignore_no_signal() -> None:
    trap = ("sh", "-c", "trap '' INT QUIT HUP; exec \"$@\"", "sh")
    ignored = int(output_of(STARTS, *trap).split()[1], 16)
    assert not [number for number in (1, 2, 3) if ignored & 1 << number - 1]


def test_long_modules_begin_early_and_apart() -> None:
    names = [f"tests/test_{number}.py" for number in range(100)] + [*conftest.LONG]
    items: Any = [SimpleNamespace(nodeid=f"{name}::test_{n}") for name in names for n in range(3)]
    conftest.pytest_collection_modifyitems(items)
    modules = [name for name, _ in groupby(items, lambda item: item.nodeid.partition("::")[0])]
    assert [modules.index(name) for name in conftest.LONG] == [0, 21, 42]
    assert len(items) == 3 * len(names)


def test_the_long_modules_are_there() -> None:
    assert [name for name in conftest.LONG if not (PROJECT / name).exists()] == []
