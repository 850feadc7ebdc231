"""Numbers, days and changes as people read them."""

from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

Value = int | float | Decimal | None
# An en dash: there is no number.
NONE = "\u2013"
_SHORT: tuple[tuple[int, str], ...] = (
    *((10**12, "T"), (10**9, "B"), (10**6, "M")),
    (10_000, "k"),
)
# Other numbers would have more zeros than a reader can count.
_SMALL, _LARGE, _LARGE_IN_SHORT = 0.01, 1e21, 1e15

_DURATIONS: tuple[tuple[int, str], ...] = ((86_400, "d"), (3_600, "h"), (60, "min"))


class Change(NamedTuple):
    """How a number differs from the one before: its text, and `up`, `down` or `same`."""

    text: str
    kind: str


def whole(value: Value) -> str:
    """Such as 12,345 or 0.25, or 1e-9 if it is very small or large; a dash without a number."""
    if value is None:
        return NONE
    if value and not _SMALL <= abs(float(value)) < _LARGE:
        return _with_exponent(value)
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def counted(value: Value, noun: str) -> str:
    """Such as 1 day or 1,095 days."""
    return f"{whole(value)} {noun}{'' if value == 1 else 's'}"


def short(value: Value) -> str:
    """Such as 12.3k, for where there is little room. Under 10,000 it is the whole number."""
    if value is None:
        return NONE
    if abs(float(value)) >= _LARGE_IN_SHORT:
        return _with_exponent(value)
    for size, letter in _SHORT:
        if abs(float(value)) >= size:
            unit = 1_000 if letter == "k" else size
            return f"{float(value) / unit:,.1f}".removesuffix(".0") + letter
    return whole(value)


def _with_exponent(value: int | float | Decimal) -> str:
    digits, _, exponent = f"{float(value):.3g}".partition("e")
    return f"{digits}e{int(exponent)}" if exponent else digits


def percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}".removesuffix(".0") + " %"


def change(now: Value, before: Value) -> Change:
    """In per cent of the number before; without one there is nothing to compare with."""
    if now is None or not before:
        return Change("", "same")
    share = (float(now) - float(before)) / abs(float(before)) * 100
    if abs(share) < 0.05:
        return Change("no change", "same")
    return Change(f"{share:+,.1f} %".replace(".0 %", " %").replace("-", "\u2212"), _kind(share))


def _kind(share: float) -> str:
    return "up" if share > 0 else "down"


def day(of: date, *, has_year: bool = False) -> str:
    """Such as 3 Nov, or 3 Nov 2026."""
    return f"{of.day} {of:%b %Y}" if has_year else f"{of.day} {of:%b}"


def full_day(of: date) -> str:
    """Such as Tue 3 Nov 2026."""
    return f"{of:%a} {of.day} {of:%b %Y}"


def period(first: date, last: date) -> str:
    """Such as Tue 3 Nov 2026 or 1 Nov to 30 Nov 2026, with a dash."""
    if first == last:
        return full_day(first)
    start = day(first, has_year=first.year != last.year)
    return f"{start} \u2013 {day(last, has_year=True)}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Such as 3 Nov 2026, 12:00, by the clocks of the zone."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M}"


def duration(seconds: float | None) -> str:
    """Such as 45 s, 12 min or 3.5 h."""
    if seconds is None:
        return NONE
    for size, unit in _DURATIONS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"
