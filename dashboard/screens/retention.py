"""Who came again, by when they began."""

from typing import Any

from django.http import HttpRequest, QueryDict

from analytics.api.reports import cohorts
from analytics.cohorts.question import UNITS
from dashboard import numbers
from dashboard.completing import completed
from dashboard.files import csv
from dashboard.pages import Filled, Page, Panel
from dashboard.periods import label_of, title_of
from dashboard.screens.people import people_link
from dashboard.state import State, answer_of, chosen_query_of

_PERIODS = {"day": 14, "week": 12, "month": 12}
_SHADES = 10
_DAYS_OF_DAYS, _DAYS_OF_WEEKS = 14, 120


def _unit(state: State) -> str:
    chosen = state.given.get("unit")
    if chosen:
        return chosen
    if state.days <= _DAYS_OF_DAYS:
        return "day"
    return "week" if state.days <= _DAYS_OF_WEEKS else "month"


def _form(request: HttpRequest, state: State) -> Filled:
    given = state.given
    return {
        "units": UNITS,
        "unit": _unit(state),
        "start": given.get("start", ""),
        "again": given.get("return", ""),
        "mode": given.get("mode", "on"),
        **completed(request, state, "segment"),
    }


def _query(state: State) -> QueryDict:
    unit = _unit(state)
    query = chosen_query_of(state, cohorts.REPORT, unit=unit)
    query["periods"] = str(_PERIODS.get(unit, 12))
    return query


def _table(request: HttpRequest, state: State) -> Filled:
    query = _query(state)
    rows = answer_of(request, cohorts.REPORT, query)
    periods = max((_known(row) for row in rows if row["cohort"]), default=0)
    return {
        "unit": query["unit"],
        "heads": range(periods),
        "files": [csv("/stats/cohorts", query)] if rows else [],
        "rows": [_row(state, row, periods, query) for row in rows if row["cohort"]],
        "average": [
            (numbers.percent(it["rate"]), _shade(it["rate"]))
            for it in rows[-1]["periods"][:periods]
        ]
        if rows
        else [],
    }


def _known(row: dict[str, Any]) -> int:
    return sum(period["users"] is not None for period in row["periods"])


def _row(state: State, row: dict[str, Any], periods: int, query: Any) -> dict[str, Any]:
    first = row["periods"][0]
    return {
        "name": label_of(str(row["cohort"]), query["unit"], state),
        "title": title_of(str(first["start"]), str(first["end"])),
        "users": numbers.whole(row["users"]),
        "link": people_link(state, "cohorts", query, at=row["cohort"], period=0),
        "cells": [_cell(state, row, period, query) for period in row["periods"][:periods]],
    }


def _cell(state: State, row: dict[str, Any], period: dict[str, Any], query: Any) -> dict[str, Any]:
    if period["users"] is None:
        return {"text": "", "shade": "none"}
    return {
        "text": numbers.percent(period["rate"]),
        "shade": _shade(period["rate"]),
        "is_running": not period["complete"],
        "title": f"{numbers.whole(period['users'])} of {numbers.whole(row['users'])}, "
        f"{title_of(str(period['start']), str(period['end']))}",
        "link": people_link(state, "cohorts", query, at=row["cohort"], period=period["period"]),
    }


def _shade(rate: float | None) -> str:
    """From 0 to 9, darker with the rate."""
    return "none" if rate is None else str(min(_SHADES - 1, int(rate / 100 * _SHADES)))


PAGE = Page(
    "retention",
    "Retention",
    "retention",
    panels=(Panel("cohorts", "Who came again", _table, drawing="heat"),),
    fill=_form,
    has_views=True,
    asks=_query,
)
