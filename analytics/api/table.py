"""An answer as CSV, for spreadsheets."""

import io
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse

from analytics.api.report import Row
from config.building_blocks import csv_rows

FORMATS = ("json", "csv")
# A spreadsheet takes a text that begins so for a formula, and runs it. The last four are wide
# forms.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def parse_format(text: str) -> str:
    """The value of the parameter `format`. Raises ValueError."""
    if text not in FORMATS:
        raise ValueError("must be json or csv")
    return text


def table(name: str, rows: Sequence[Row], columns: Sequence[str] = ()) -> HttpResponse:
    """The answer that is a file of the rows. Without any it has a head of these columns."""
    return HttpResponse(
        csv_of(rows, columns),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def csv_of(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """The rows with a head. All rows have the columns of the first one; `columns` are for none."""
    text = io.StringIO()
    names = [*rows[0]] if rows else columns
    writer = csv_rows.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A quote before a text keeps a spreadsheet from running it. Numbers stay numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return value
