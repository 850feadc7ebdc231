"""Imports of the tests that run beside them: as a process of its own, or in a thread."""

import threading
from pathlib import Path
from typing import Any

from django.db import connections

from importer.models import Import
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests import environment
from tests.warm import Heard

ROWS = 12_000


def start(path: Path) -> Heard:
    """The command as a process of its own, in batches of a thousand rows."""
    return Heard(
        environment.of_the_stores(),
        *("import_events", str(path)),
        changes={"importer.running.batches:BATCH_ROWS": 1000},
        together=True,
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
