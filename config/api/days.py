"""Days as people write them in a URL and in a command."""

import re
from datetime import date

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_written_as_day(text: str) -> bool:
    return _WRITTEN.fullmatch(text) is not None


def parse_day(text: str) -> date:
    """The day of `2026-01-31`. Raises ValueError for anything else.

    Python itself reads other spellings of ISO 8601 too: `20260131`, and the week date `2026-W05-6`.
    """
    try:
        if is_written_as_day(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("is not a date such as 2026-01-31")
