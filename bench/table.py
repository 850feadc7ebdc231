"""Markdown tables: the figures of the service, and those of variants that were compared."""

import os
import platform
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Bound(NamedTuple):
    """A figure to reach or, with `at_most`, to stay below; and a remark about it."""

    value: float
    at_most: bool = False
    remark: str = ""

    def ratio(self, figure: float) -> float:
        """How many times as good a figure is as this bound: above 1 is always better."""
        return self.value / figure if self.at_most else figure / self.value


class Row(NamedTuple):
    """One figure of the service, or a verdict in words."""

    what: str
    figure: float | str
    unit: str = ""
    target: Bound | str | None = None
    peers: Bound | None = None
    remark: str = ""


# The figures of every round by name, for each load and each variant.
Found = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def of_rows(rows: Sequence[Row]) -> str:
    """A table of the rows. A ratio above 1 is better, also for times and sizes."""
    head = ["what", "target", "figure", "x target", "x the best of five open services"]
    return _markdown(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    shown = row.figure if isinstance(row.figure, str) else number(row.figure)
    figure = " ".join([shown, row.unit]).strip() + (f" ({row.remark})" if row.remark else "")
    return [row.what, _target(row), figure, _ratio(row, row.target), _ratio(row, row.peers)]


def _target(row: Row) -> str:
    if not isinstance(row.target, Bound):
        return row.target or ""
    sign = "≤" if row.target.at_most else "≥"
    return " ".join([sign, number(row.target.value), row.unit, row.target.remark]).strip()


def _ratio(row: Row, bound: Bound | str | None) -> str:
    if not isinstance(bound, Bound) or isinstance(row.figure, str):
        return ""
    ratio = number(bound.ratio(row.figure))
    if bound is row.target:
        return ratio
    remark = f"; {bound.remark}" if bound.remark else ""
    return f"{ratio} ({number(bound.value)} {row.unit}{remark})"


def of_variants(what: str, found: Found, *, ratios_by_load: bool = True) -> str:
    """A table: for each figure the median, its ratio to the first row, minimum and maximum.

    With `ratios_by_load`, the first row is that of the same load, otherwise that of the table.
    """
    body: list[list[str]] = []
    first: dict[str, float] = {}
    for load, variants in found.items():
        if ratios_by_load:
            first = {}
        for variant, rounds in variants.items():
            figures = {name: [one[name] for one in rounds] for name in rounds[0]}
            first = first or {name: median(values) for name, values in figures.items()}
            cells = [_compared(values, first[name]) for name, values in figures.items()]
            body.append([load, variant, *cells])
    names = next(iter(next(iter(found.values())).values()))[0]
    return _markdown(["load", what, *names], body)


def _compared(values: Sequence[float], first: float) -> str:
    middle = median(values)
    # A small count may double by chance, so it gets no ratio.
    comparable = first >= 10 if isinstance(first, int) else first > 0
    ratio = f" x {middle / first:.2f}" if comparable else ""
    return f"{number(middle)}{ratio} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Three digits, or all digits before the point; a count as it is."""
    if abs(value) >= 100 or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
