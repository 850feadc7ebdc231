"""Scales: from a number to a place in a chart, and which numbers stand beside it."""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil, floor, log10
from sys import float_info
from typing import TypeVar

T = TypeVar("T")
Number = int | float | Decimal
_STEPS = (1, 2, 2.5, 5, 10)


def ticks(least: Number, most: Number, count: int = 4) -> list[float]:
    """Round numbers, evenly spaced, from 0 or below `least` to `most` or above; at least two."""
    low, high = min(0.0, float(least)), max(0.0, float(most))
    if low == high:
        return [0.0, 1.0]
    # The difference of the largest doubles is none, and the smallest have no fourth.
    rough = max(high / count - low / count, float_info.min)
    size = 10.0 ** floor(log10(rough))
    step = next(it * size for it in _STEPS if it * size >= rough * (1 - 1e-9))
    # Numbers of people and of events have no halves.
    if step < 1 and float(least).is_integer() and float(most).is_integer():
        step = 1.0
    first = min(floor(low / step + 1e-9), -1 if low < 0 else 0)
    last = max(ceil(high / step - 1e-9), 1 if high > 0 else 0)
    return [_rounded(n * step) for n in range(first, last + 1)]


def _rounded(value: float) -> float:
    return max(-float_info.max, min(float_info.max, float(f"{value:.10g}")))


def place(value: Number, low: float, high: float) -> float:
    """From 0 for `low` to 100 for `high`."""
    return round((float(value) / 2 - low / 2) / (high / 2 - low / 2) * 100, 3)


def some(items: Sequence[T], most: int) -> list[tuple[int, T]]:
    """At most so many of the items, evenly spaced from the first one on, with their indexes."""
    step = max(1, ceil(len(items) / most))
    return [(n, items[n]) for n in range(0, len(items), step)]
