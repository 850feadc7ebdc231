"""What a reader takes away from a panel: a table as CSV, a chart as an SVG that stands alone."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string

from config.api.problems import Problem
from dashboard.header import header_of
from dashboard.state import State

# The light colours of the pages: a file has no style sheet beside it. A test compares them.
TONES = ("#9aa4b5", "#3b5bdb", "#c2570c", "#0f7b6c", "#9c36b5", "#8a6d00", "#586274")
SHADES = (0.03, 0.1, 0.17, 0.24, 0.3, 0.36, 0.42, 0.47, 0.52, 0.56)
# What the rows of a drawing are called by its panel, and the height of each.
_ROWS = {"lines": ("keys", 20), "bars": ("bars", 36), "funnel": ("steps", 64), "heat": ("rows", 32)}
# Above the rows: the axes of lines, and the heads of a table.
_ABOVE = {"lines": 288, "heat": 28}
_CELLS_FROM, _CELL = 200, 54
# What stands beside the rest of a query anyhow.
_SAID = ("project", "tz", "from", "to")
# XML can't have these, not even written as numbers.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class File(NamedTuple):
    """Something to download: its text, and its address."""

    text: str
    link: str


def csv(path: str, query: QueryDict, text: str = "CSV") -> File:
    """The answer of the API to the same query as CSV. It takes the session of a member too."""
    asked = query.copy()
    asked["format"] = "csv"
    return File(text, f"{path}?{asked.urlencode()}")


def days_of(state: State) -> str:
    """Such as 1 Nov to 30 Nov 2026, UTC, with a dash."""
    return f"{state.days_in_words}, {state.zone}"


def told(state: State, query: QueryDict) -> list[str]:
    """What the address chose of the query that a page asks its report, beside the days."""
    pairs = [
        (name, text)
        for name, texts in query.lists()
        if state.given.get(name) and name not in _SAID
        for text in texts
    ]
    # Filters come last.
    pairs.sort(key=lambda it: it in state.segments)
    return [text if name == "segment" else f"{name}: {text}" for name, text in pairs]


def drawn(
    request: HttpRequest,
    name: str,
    drawing: str,
    state: State,
    query: QueryDict,
    filled: Mapping[str, Any],
) -> HttpResponse:
    """The chart of a panel as a file, of what the panel shows. Raises Problem if it shows none."""
    if not filled.get("files") or "template" in filled:
        raise Problem(404, "There is nothing to draw.")
    above = told(state, query)
    context = {
        **filled,
        "project": header_of(request, "", state).project,
        "days": days_of(state),
        "told": above,
        "top": 102 if above else 80,
        "tones": list(enumerate(TONES)),
        "shades": list(enumerate(SHADES)),
        **_placed(drawing, filled),
    }
    context["high"] += context["top"]
    text = _NOT_XML.sub("\ufffd", render_to_string(f"dashboard/files/{drawing}.svg", context))
    filename = f"{name}-{state.start}-{state.end}.svg"
    return HttpResponse(
        text,
        content_type="image/svg+xml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _placed(drawing: str, filled: Mapping[str, Any]) -> dict[str, Any]:
    """Each row with its place from above, and the height of all."""
    name, each = _ROWS[drawing]
    above = _ABOVE.get(drawing, 0)
    rows: Sequence[Any] = filled["chart"].lines if name == "keys" else filled[name]
    if drawing == "heat":
        cells = [{"text": text, "shade": shade} for text, shade in filled["average"]]
        rows = [*rows, {"name": "Average", "users": "", "cells": cells}]
    placed: dict[str, Any] = {
        "placed": [(above + number * each, row) for number, row in enumerate(rows)],
        "high": above + each * len(rows) + 24,
    }
    if filled.get("cut"):
        placed["cut_at"] = placed["high"] - 14
        placed["high"] += 24
    if drawing == "heat":
        across = [_CELLS_FROM + _CELL * number for number in filled["heads"]]
        placed["columns"] = [(at, number) for number, at in enumerate(across)]
        placed["placed"] = [
            (up, row, [*zip(across, row["cells"], strict=True)]) for up, row in placed["placed"]
        ]
    return placed
