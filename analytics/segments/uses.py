"""Counts which properties segments ask for, so that somebody can choose the ones to speed up."""

from collections import Counter

import psycopg
from django import db
from django.db.models import F
from django.utils import timezone
from structlog import get_logger

from analytics.models import AskedProperty
from analytics.segments.columns import MAX_PATH_BYTES, is_answered, path_text
from analytics.segments.expressions import Segments
from config.building_blocks.background_work import BackgroundWork

log = get_logger(__name__)

_WRITTEN_SECONDS = 10.0
# Of a project. Whoever may read can ask for any path, so those not asked for longest make room.
MAX_PATHS = 1_000
# What waits to be written: the number of times by project and path.
_asked: Counter[tuple[int, str]] = Counter()


def note(segments: Segments, *, project: int) -> None:
    """Count the properties that a column of their own would help. Returns at once."""
    paths = {path_text(it.field) for it in segments.conditions() if is_answered(it)}
    short = [path for path in paths if len(path.encode()) <= MAX_PATH_BYTES]
    if short:
        _asked.update((project, path) for path in short)
        _background.soon()


def most_asked(*, project: int, limit: int) -> list[tuple[str, int]]:
    """Paths and how often they were asked for, most often first. Raises django.db.Error."""
    rows = AskedProperty.objects.filter(project=project).order_by("-times", "path")
    return [*rows.values_list("path", "times")[:limit]]


def _write() -> bool:
    """Counts that can't be written are lost, which does no harm."""
    while _asked:
        (project, path), times = _asked.popitem()
        try:
            _add(project, path, times)
        except (db.Error, psycopg.Error) as error:
            log.warning("asked_properties_unwritten", error=type(error).__name__)
    return True


def _add(project: int, path: str, times: int) -> None:
    now, rows = timezone.now(), AskedProperty.objects.filter(project=project)
    if rows.filter(path=path).update(times=F("times") + times, last_asked_at=now):
        return
    # Another process may make it at the same moment.
    row = AskedProperty(project_id=project, path=path, times=times, last_asked_at=now)
    AskedProperty.objects.bulk_create([row], ignore_conflicts=True)
    newest_first = rows.order_by("-last_asked_at").values_list("pk", flat=True)
    if past := [*newest_first[MAX_PATHS:]]:
        rows.filter(pk__in=past).delete()


_background = BackgroundWork(
    "asked-properties", _write, linger=_WRITTEN_SECONDS, longest_pause=_WRITTEN_SECONDS
)
