"""A process loads what it uses: every module more costs CPU at each start of each of them."""

import os
import subprocess
import sys

import pytest

from embedded.supervision.processes import PROJECT
from tests import environment

pytestmark = pytest.mark.django_db

# What serves pages, and the reader of one format among several.
PAGES = {"config.urls", "rest_framework.views", "drf_spectacular.openapi", "events.admin"}
UNUSED = {*PAGES, "pyarrow", "numpy", "pandas", "redis", "config.celery"}
COMMANDS = """
import sys
from django.core.management import execute_from_command_line
for command in sys.argv[1:]:
    try:
        execute_from_command_line(["manage.py", *command.split()])
    except SystemExit as ended:
        assert not ended.code, ended.code
print(*sys.modules, sep="\\n")
"""
SERVER = """
import sys
from config.celery import app
app.loader.import_default_modules()
print(*sys.modules, sep="\\n")
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """The modules that are loaded in the end, and what was printed."""
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT,
        env={**environment.of_the_stores(), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split())


def test_commands_without_clickhouse_load_no_driver_of_it() -> None:
    names = ("make_api_key", "purge_hot_events", "ensure_admin", "migrate")
    seen = loaded(COMMANDS, *(f"{name} --help" for name in names))
    assert "events.management.commands.purge_hot_events" in seen
    assert not seen & {*UNUSED, "clickhouse_connect"}


def test_commands_with_clickhouse_load_no_pages_and_no_queue(stores: None) -> None:
    """Nor does one that runs, and makes no checks of pages. It ends without a search for garbage
    in what it has loaded."""
    names = (
        *("import_events", "export_events", "deliver_batches"),
        *("verify_stores", "rebuild_rollups"),
    )
    said = f"{COMMANDS}\nimport gc\nprint(gc.get_freeze_count())"
    seen = loaded(said, *(f"{name} --help" for name in names), "deliver_batches")
    assert "clickhouse_connect" in seen
    assert not seen & UNUSED
    assert max(int(word) for word in seen if word.isdigit()) > 50_000


def test_a_command_starts_without_a_search_for_garbage() -> None:
    # 20, because `runpy` itself makes some objects before.
    code = (
        "import gc, runpy\n"
        "try: runpy.run_path('manage.py', run_name='__main__')\n"
        "finally: print(f'few: {sum(made[\"collections\"] for made in gc.get_stats()) < 20}')"
    )
    assert loaded(code, "import_events", "--help") >= {"few:", "True"}


def test_workers_and_beat_load_no_pages_and_make_nothing_that_only_a_large_request_needs() -> None:
    made = "import events.ingest.validation as v\nprint(v._bounded_decoder.cache_info().currsize)"
    seen = loaded(f"{SERVER}\n{made}")
    assert {"events.tasks", "importer.tasks"} <= seen
    assert not seen & PAGES
    assert [word for word in seen if word.isdigit()] == ["0"]


def test_django_still_checks_the_pages_of_the_admin() -> None:
    assert loaded(COMMANDS, "check --tag admin") >= {"events.admin", "importer.admin"}


def test_make_has_python_keep_what_it_has_compiled() -> None:
    probe = "probe:\n\t@echo [$$PYTHONDONTWRITEBYTECODE]\n"
    answer = subprocess.run(
        ["make", "--no-print-directory", "-f", "Makefile", "-f", "-", "probe"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        input=probe,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
