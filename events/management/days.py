"""The options --from and --to of commands that look at days."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.core.management.base import CommandError

from config.api.days import parse_day

_FIRST, _LAST = date(1969, 12, 31), date(2100, 1, 1)


def add_days(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", type=_day, help="first day, such as 2026-01-31")
    parser.add_argument("--to", dest="end", type=_day, help="last day, included")


def days_of(options: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """The first and the last day, or None for both. Raises CommandError."""
    start, end = options["start"], options["end"]
    if (start is None) != (end is None):
        raise CommandError("--from and --to must be given together")
    if start and start > end:
        raise CommandError("--from is after --to")
    return _within(start), _within(end)


def _within(day: date | None) -> date | None:
    """No event is outside of these days in any zone; the stores can't reckon with all others."""
    return day and min(max(day, _FIRST), _LAST)


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None
