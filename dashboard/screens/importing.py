"""A file of events that a reader drops on a page, and what becomes of it."""

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from analytics.discovery.finding import event_types
from analytics.discovery.looking import Question
from analytics.parameters import MAX_DAYS, zone_asked
from config.api.problems import Problem
from dashboard import numbers
from dashboard.pages import Filled, Page, Panel
from dashboard.state import NO_SCRIPT, State
from importer.mapping.presets import PRESETS
from importer.models import Import
from projects.scopes import INGEST

# Rows that are shown of those that could not be read, and how much of their file is looked at.
_ROWS, _LOOKED_AT = 5, 256 * 1024
_PROGRESS = "/dashboard/import/panels/progress"
_TOOLS = {"mixpanel": "Mixpanel", "amplitude": "Amplitude", "posthog": "PostHog", "ga4": "GA4"}
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2099, 12, 31)
_ENDED = (Import.State.DONE, Import.State.FAILED)
_KEY = " \\\n  -H 'Authorization: Bearer YOUR_KEY'"


def drop(request: HttpRequest, state: State) -> Filled:
    """What the template `drop.html` shows: where to drop a file, or how to send it without script.

    Nothing for who may not send events.
    """
    who: Any = request.auth  # type: ignore[attr-defined]
    if who is not None and INGEST not in who.scopes:
        return {"may_import": False}
    query = urlencode(state.of_project)
    return {
        "may_import": True,
        "has_script": state.given.get("script") != NO_SCRIPT,
        "imports": f"/imports?{query}",
        "progress": f"{_PROGRESS}?{query}",
        "tools": [(name, _TOOLS.get(name, name)) for name in PRESETS],
        "curl": _curl(request, state),
    }


def _curl(request: HttpRequest, state: State) -> str:
    """A key says itself of which project it is."""
    needs_key, slug = settings.API_KEYS_REQUIRED, state.given.get("project")
    of_project = "" if needs_key or not slug else f"&project={quote(slug)}"
    address = request.build_absolute_uri("/imports?name=events.csv") + of_project
    return f"curl -T events.csv -X POST '{address}'{_KEY if needs_key else ''}"


def _progress(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    row = _row(project, state.given.get("id", ""))
    has_ended = row.state in _ENDED
    is_done = row.state == Import.State.DONE
    link = _numbers(project, state) if is_done else ""
    # What is stored is counted a moment later.
    is_counted = bool(is_done and row.stored and not link)
    return {
        "name": row.path or "The file",
        "said": _said(row),
        "is_running": row.state == Import.State.RUNNING,
        "share": row.position / row.size * 100 if row.size else 0,
        "error": row.error,
        "rows": _rejected(row) if has_ended else [],
        "rejected": _rejected_link(row, state),
        "link": link,
        "is_counted": is_counted,
        "asks_again": not has_ended or is_counted,
    }


def _said(row: Import) -> str:
    """What became of the file, after its name."""
    stored = numbers.counted(row.stored, "event")
    match row.state:
        case Import.State.DONE:
            return f"is imported: {', '.join([f'{stored} stored', *_besides(row)])}."
        case Import.State.FAILED if row.stored:
            are = "is" if row.stored == 1 else "are"
            return f"could not be imported to its end; {stored} of it {are} stored."
        case Import.State.FAILED:
            return "could not be imported."
        case Import.State.RUNNING:
            return f"is being read: {stored} stored so far."
        case Import.State.STOPPED:
            return "was interrupted, and goes on by itself."
    return "has arrived, and waits for its turn."


def _besides(row: Import) -> Iterator[str]:
    if row.duplicates:
        were = "was" if row.duplicates == 1 else "were"
        yield f"{numbers.whole(row.duplicates)} {were} here already"
    if row.bad:
        yield f"{numbers.counted(row.bad, 'row')} could not be read"


def _row(project: int, pk: str) -> Import:
    with suppress(ValueError):
        row = Import.objects.filter(project=project, pk=UUID(pk), upload=True).first()
        if row is not None:
            return row
    raise Problem(404, "There is no such import.")


def _rejected(row: Import) -> list[tuple[str, str]]:
    """Line and reason of the first rows that could not be read."""
    found: list[tuple[str, str]] = []
    if not row.rejected_path:
        return found
    with suppress(OSError, csv.Error):
        with Path(row.rejected_path).open("rb") as file:
            text = file.read(_LOOKED_AT).decode("utf-8-sig", errors="replace")
        for cells in csv.reader(io.StringIO(text, newline="")):
            if cells[:2] != ["line", "reason"] and len(cells) > 1:
                found.append((cells[0], cells[1]))
            if len(found) == _ROWS:
                break
    return found


def _rejected_link(row: Import, state: State) -> str:
    if not row.rejected_path:
        return ""
    return f"/imports/{row.pk}/rejected?{urlencode(state.of_project)}"


def _numbers(project: int, state: State) -> str:
    """The overview of all days that have events: a file may be of years ago. Empty without any.

    Raises ClickHouseError.
    """
    question = Question(project, zone_asked(project, None), _FIRST_DAY, _LAST_DAY)
    rows = event_types(question, prefix="", limit=1_000).rows
    if not rows:
        return ""
    last = max(row.last_day for row in rows)
    first = max(min(row.first_day for row in rows), last - timedelta(days=MAX_DAYS - 1))
    query = {"project": state.given["project"]} if "project" in state.given else {}
    return f"/dashboard/?{urlencode({**query, 'from': first, 'to': last})}"


PAGE = Page(
    "import",
    "Import a file",
    "import",
    parts=(Panel("progress", "Import", _progress, is_wide=True, scope=INGEST),),
    fill=drop,
    needs_script=True,
)
