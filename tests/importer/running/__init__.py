"""Imports of the tests that run beside them: as a process of its own, or in a thread."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from django.db import connections

from config.settings import BASE_DIR
from importer.models import Import
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests import environment

ROWS = 12_000


def start(path: Path) -> "subprocess.Popen[bytes]":
    """The command as a process of its own, in batches of a thousand rows."""
    code = (
        "import django; django.setup(); import importer.running.batches as b; b.BATCH_ROWS = 1000\n"
        "import sys; from django.core.management import call_command\n"
        "call_command('import_events', sys.argv[1])"
    )
    variables = {**environment.of_the_stores(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=BASE_DIR,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def reached() -> int:
    row = Import.objects.first()
    return row.read if row else 0


def is_past(goal: int, ended: list[Any]) -> bool:
    return reached() >= goal or bool(ended)


def in_thread(path: Path, ended: list[Any]) -> threading.Thread:
    def work() -> None:
        try:
            ended.append(import_file(path, Run(DEFAULT)))
        except Exception as error:
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread
