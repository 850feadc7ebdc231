"""`manage.py import_events` in the process of the tests, and the files it is given."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.samples import event

HEADER = ["event_id", "occurred_at", "user_id", "event_type", "properties_json"]


def rows_of(count: int, **changes: Any) -> list[list[str]]:
    changes = {"properties": '{"country": "UA"}', **changes}
    return [list(event(**changes).values()) for _ in range(count)]


def written(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def import_events(*arguments: str | Path) -> tuple[str, str]:
    """What the command printed, and what it complained of."""
    printed, complaints = io.StringIO(), io.StringIO()
    call_command("import_events", *map(str, arguments), stdout=printed, stderr=complaints)
    return printed.getvalue(), complaints.getvalue()


def refused(*arguments: str | Path) -> tuple[str, str]:
    """The same for a command that ends with an error."""
    printed, complaints = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("import_events", *map(str, arguments), stdout=printed, stderr=complaints)
    return printed.getvalue(), complaints.getvalue() + str(error.value)
