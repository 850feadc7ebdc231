"""Bars beside names: how one number is to the largest."""

from collections.abc import Sequence
from typing import NamedTuple

from dashboard.charts.scales import Number, place
from dashboard.numbers import NONE, Change, whole


class Bar(NamedTuple):
    """`share` is in per cent of the longest bar."""

    name: str
    text: str
    share: float
    link: str = ""
    change: Change = Change("", "same")


def share(value: Number | None, most: Number) -> float:
    return place(value, 0, float(most)) if value and most > 0 else 0.0


def bars(rows: Sequence[tuple[str, Number | None, str, Change]]) -> list[Bar]:
    """Of names, numbers, links and changes."""
    most = max((value for _, value, *_ in rows if value is not None), default=0)
    return [
        Bar(
            name or "(empty)",
            whole(value) if value is not None else NONE,
            share(value, most),
            link,
            change,
        )
        for name, value, link, change in rows
    ]
