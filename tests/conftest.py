"""Starts the real stores once for the whole run, before Django reads its settings."""

import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import django
import pytest
from django.conf import settings

from embedded import stores
from embedded.processes import Process, StackError

# Of a run of the whole suite: its stores, and the files of its tests.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Django is set up here and not by pytest-django, for which it would be too early.

    Stores of the environment are left alone: tests empty theirs. Where tests run in processes of
    their own (pytest-xdist), each of these starts stores, and the one that leads them needs none.
    """
    _work_in_memory()
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    if settings.configured:
        raise pytest.UsageError("unset DJANGO_SETTINGS_MODULE: the stores have to start first")
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        os.environ |= _started(stack)
    except StackError as error:
        raise pytest.UsageError(str(error)) from None
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    # It needs Django, which pytest_plugins would be too early for.
    config.pluginmanager.import_plugin("tests.fixtures")


def _work_in_memory() -> None:
    """Temporary files go there, where there is room: half of a short test is files made and gone.

    What a killed process has written outlives it there as it does on a disk.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    may_run = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    if may_run and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _started(stack: ExitStack) -> dict[str, str]:
    """The variables of the running stores, whose data goes with `stack`."""
    prefix = "events-analytics-tests-"
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
    variables = {
        "DATA_DIR": str(folder),  # keeps the settings away from a running stack's
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
        "API_KEYS_REQUIRED": "false",  # tests of keys set it themselves
    }
    for name, program in stores.programs(folder, throwaway=True):
        stack.enter_context(Process(program))
        variables[name] = program.url
    return variables
