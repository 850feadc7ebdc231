"""The database row of an import: how an import begins, goes on and fails."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db.models.functions import Now

from importer.models import Import

_FRESH = ("position", "read", "stored", "duplicates", "bad", "rejected_path", "rejected_bytes")


def begin(
    *,
    project: int,
    key: str,
    path: Path,
    size: int,
    meaning: Mapping[str, Any],
    run_again: bool,
) -> Import:
    """The file's row, marked as running.

    The row of a finished import is returned unchanged, unless `run_again` is set or the options
    differ. An unfinished import goes on where it stopped; if the options differ, it starts over.
    """
    row = Import.objects.filter(key=key).first() or Import(project_id=project, key=key)
    same = row.options == meaning
    if row.state == Import.State.DONE and same and not run_again:
        return row
    if row.state == Import.State.DONE or not same:
        fresh = Import()
        for name in _FRESH:
            setattr(row, name, getattr(fresh, name))
    row.path, row.size, row.options = storable(str(path)), size, dict(meaning)
    return start(row)


def starts_over(*, key: str, meaning: Mapping[str, Any]) -> bool:
    """Whether `begin` would lose the place in a partly imported file, as the options differ."""
    row = Import.objects.filter(key=key, read__gt=0).first()
    return row is not None and row.options != meaning


def is_new(*, key: str, meaning: Mapping[str, Any], run_again: bool) -> bool:
    """Whether `begin` would begin at the first row of the file."""
    row = Import.objects.filter(key=key).first()
    if row is None or row.options != meaning:
        return True
    return run_again if row.state == Import.State.DONE else row.read == 0


def start(row: Import) -> Import:
    """Mark the row as running from now on."""
    row.state, row.error, row.finished_at = Import.State.RUNNING, "", None
    row.started_at, row.attempts = Now(), row.attempts + 1
    row.save()
    row.refresh_from_db()
    return row


def fail(row: Import, reason: str) -> None:
    row.state, row.error, row.finished_at = Import.State.FAILED, reason, datetime.now(UTC)
    row.save()


def storable(text: str) -> str:
    """Text that PostgreSQL accepts; a file's name may hold bytes that are not text."""
    return text.replace("\0", "").encode(errors="surrogateescape").decode(errors="replace")
