"""Starts the real stores once for the whole run, before Django reads its settings."""

import gc
import logging
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import django
import hypothesis
import pytest
from django.conf import settings

from embedded import stores
from embedded.supervision.processes import Process, StackError

# Of a run of the whole suite: its stores, and the files of its tests.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 1024**3
# In the folder of the project, where they stay.
SCREENSHOTS = "test-results"

# A minute or more each. pytest-django has what needs no database come last, and the end of the run
# would wait for one of these.
LONG = (
    "tests/faults/test_faults.py",
    "tests/embedded/test_stack.py",
    "tests/faults/test_stack.py",
)
# Modules between them, since each of these starts a whole service.
APART = 20


def pytest_configure(config: pytest.Config) -> None:
    """Django is set up here and not by pytest-django, for which it would be too early.

    Stores of the environment are left alone: tests empty theirs. Where tests run in processes of
    their own (pytest-xdist), each of these starts stores, and the one that leads them needs none.
    """
    if settings.configured:
        raise pytest.UsageError("unset DJANGO_SETTINGS_MODULE: the stores have to start first")
    # A conftest in a folder that was asked for is loaded before, and may have imported our Celery
    # app, which sets it: in the processes that xdist starts Django would be set up too early.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    stack = ExitStack()
    config.add_cleanup(stack.close)
    if not hasattr(config, "workerinput"):
        _work_in_memory(stack)
        if config.getoption("numprocesses", None):
            return
    _have_children_listen()
    _repeat_what_is_made_up()
    try:
        os.environ |= _started(stack)
    except StackError as error:
        raise pytest.UsageError(str(error)) from None
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    _log_for_tests_alone()
    # It needs Django, which pytest_plugins would be too early for.
    config.pluginmanager.import_plugin("tests.fixtures")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules are whole, as processes of xdist have them, and the long ones begin early."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    long = [modules.pop(name) for name in LONG if name in modules]
    ordered = list(modules.values())
    for number, module in enumerate(long):
        ordered.insert(number * (APART + 1), module)
    items[:] = [item for module in ordered for item in module]
    _look_for_garbage_less()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In a module that says BOTH_WAYS, events go the server's short way, and through Django."""
    if getattr(metafunc.module, "BOTH_WAYS", False) and "client" in metafunc.fixturenames:
        metafunc.parametrize("client", ["lane", "Django"], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails while a browser runs, its report names a file of what that showed."""
    report = yield
    browser = sys.modules.get("tests.browser")
    if report.failed and browser:
        name = re.sub(r"[^\w.-]+", "-", item.nodeid.removeprefix("tests/"))
        try:
            files = browser.kept_screenshots(item.config.rootpath / SCREENSHOTS, name[:150])
        except Exception as error:  # what failed is the test
            report.sections.append(("no screenshot", repr(error)))
        else:
            report.sections += [("screenshot", str(file)) for file in files]
    return report


def _look_for_garbage_less() -> None:
    """A tenth of the CPU goes into searches for garbage, also among 4,500 tests and all modules."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _work_in_memory(stack: ExitStack) -> None:
    """Temporary files go there, where there is room: half of a short test is files made and gone.

    Those of the processes that tests start are in a folder that goes in the end, since what is
    killed leaves its own behind: Celery's workers a folder `pymp-…` each.
    """
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        tempfile.tempdir = str(MEMORY)
    folder = tempfile.mkdtemp(prefix="events-analytics-tests-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TMPDIR"] = folder


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    may_run = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return may_run and shutil.disk_usage(folder).free > MEMORY_BYTES


def _repeat_what_is_made_up() -> None:
    """Hypothesis makes up the same examples in every run, so that a run does not fail by chance.

    Nor does it fail because a busy machine makes them up slowly. Long runs with HISTORIES look for
    new ones.
    """
    slowly = hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
    repeated = "HISTORIES" not in os.environ
    hypothesis.settings.register_profile("tests", slowly, derandomize=repeated)
    hypothesis.settings.load_profile("tests")


def _log_for_tests_alone() -> None:
    """Pytest shows the logs of a test that fails, and nobody reads our lines of the others.

    Our handler's standard error is closed before the tests of a process of xdist run. Each line
    would then print a traceback, which took 3 % of such a process.
    """
    logging.getLogger().handlers.clear()


def _have_children_listen() -> None:
    """A shell has what runs in the background ignore SIGINT, and `nohup` SIGHUP.

    Whoever is started inherits that, and tests tell programs to end by these signals. This process
    goes on ignoring them: a handler, other than SIG_IGN, is not inherited.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


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
