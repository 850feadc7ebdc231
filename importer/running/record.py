"""The row of an import: as it begins, and when it goes on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db.models.functions import Now

from importer.models import Import

_FRESH = ("position", "read", "stored", "duplicates", "bad", "rejected_path", "rejected_bytes")


def begin(
    *, key: str, path: Path, size: int, meaning: Mapping[str, Any], run_again: bool
) -> Import:
    """The file's row, running; one imported to its end is given back as it is, unless it shall
    run again. One left behind goes on where it was, unless it was read by other options.
    """
    row = Import.objects.filter(key=key).first() or Import(key=key)
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
    """Whether `begin` would give up the place in a file of which a part was imported."""
    row = Import.objects.filter(key=key, read__gt=0).first()
    return row is not None and row.options != meaning


def start(row: Import) -> Import:
    """The same row as one that runs from now on."""
    row.state, row.error, row.finished_at = Import.State.RUNNING, "", None
    row.started_at, row.attempts = Now(), row.attempts + 1
    row.save()
    row.refresh_from_db()
    return row


def fail(row: Import, reason: str) -> None:
    row.state, row.error, row.finished_at = Import.State.FAILED, reason, datetime.now(UTC)
    row.save()


def storable(text: str) -> str:
    """Text as PostgreSQL takes it; a file's name may be none."""
    return text.replace("\0", "").encode(errors="surrogateescape").decode(errors="replace")
