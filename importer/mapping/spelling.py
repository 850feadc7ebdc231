"""Spells a value the same way, whatever format and program it comes from."""

import re
from datetime import UTC
from decimal import Decimal
from typing import Any

from events.format import moments
from importer.mapping.json_values import to_json

_is_whole = re.compile(r"-?\d+\.0+", re.ASCII).fullmatch
# The exponent must have a sign, as programs write it: 12e5 may be the name of something.
_is_scientific = re.compile(r"-?\d+(?:\.\d+)?[eE][+-]\d{1,3}", re.ASCII).fullmatch
_as_moment = re.compile(
    r"(?P<start>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d+))?"
    r"(?P<zone> ?(?:[Zz]|[Uu][Tt][Cc]|GMT|[+-]\d\d(?::?\d\d)?))?",
    re.ASCII,
).fullmatch
_as_clock = re.compile(r"(?P<start>\d\d:\d\d:\d\d)\.(?P<fraction>\d+)", re.ASCII).fullmatch
_MIDNIGHT = "T00:00:00Z"
_SECONDS = len("2026-01-01T00:00:00")


def whole(text: str) -> str:
    """`12.0` becomes 12: tools write whole numbers like this if a column has missing values."""
    return text.partition(".")[0] if text[-1:] == "0" and _is_whole(text) else text


def number(value: float | Decimal) -> str:
    """A number in digits; a whole number has no point."""
    text = str(value)
    return whole(f"{Decimal(text):f}" if _is_scientific(text) else text)


def spelt(value: Any) -> str:
    """The text of a value for an id: the same for a table in CSV, JSON and Parquet.

    CSV has no types. So text that looks like a number, a boolean or a time is spelt like one. A
    time without an offset counts as UTC, and a time at midnight is spelt as its date.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float | Decimal):
        return number(value)
    return str(value) if type(value) is int else to_json(value)


def _text(text: str) -> str:
    if not text[-1:].isdigit():
        if text in ("True", "False"):
            return text.lower()
        return _time(text) if text[4:5] == "-" else text
    if text[4:5] == "-":
        return _time(text)
    if text[2:3] == ":" and (clock := _as_clock(text)):
        return _with_fraction(clock["start"], clock["fraction"])
    return number(Decimal(text)) if _is_scientific(text) else whole(text)


def _time(text: str) -> str:
    if not (match := _as_moment(text)):
        return text
    start, zone = match["start"], match["zone"]
    if zone != "Z" or start[10] != "T" or len(start) != _SECONDS:
        try:
            # Leave the fraction out: it may have more digits than Python keeps.
            moment = moments.parse(start + (zone or "Z")).astimezone(UTC)
        except (ValueError, OverflowError):
            return text
        start = moment.isoformat(timespec="seconds")[:_SECONDS]
    return (_with_fraction(start, match["fraction"]) + "Z").removesuffix(_MIDNIGHT)


def _with_fraction(start: str, fraction: str | None) -> str:
    digits = (fraction or "").rstrip("0")
    return f"{start}.{digits}" if digits else start
