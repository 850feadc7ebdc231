"""Parse a moment in any ISO 8601 spelling that databases and programming languages write."""

import re
from datetime import datetime, timedelta

# Longer than any spelling. A longer text is refused before the costly parsing.
_MAX_LENGTH = 80
# BigQuery writes `2026-11-27 10:00:00 UTC`, Go ` +0000 UTC`, and Java `+02:00[Europe/Kyiv]`.
_ZONE = re.compile(
    r" ?(?:(?P<utc>Z|UTC|GMT)|(?P<offset>[+-]\d\d(?::?\d\d)?)(?: [A-Z]{3,5})?)(?:\[[^\]]*\])?$"
)


def parse(text: str) -> datetime:
    """Return the moment; it is aware if the text has an offset. Raises ValueError."""
    if len(text) > _MAX_LENGTH:
        raise ValueError("the text is too long for a time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(_ZONE.sub(_offset, text.strip().upper()))


def cut(rounded: datetime, text: str) -> datetime:
    """The moment of a text, of which a decoder has made the nearest microsecond.

    A fraction of a second is cut here, since the nearest may be in the next day.
    """
    digits = text.partition(".")[2][:6]
    if not digits.isdecimal():
        return rounded
    microsecond = int(digits)
    if rounded.microsecond < microsecond:
        rounded -= timedelta(microseconds=1)
    return rounded.replace(microsecond=microsecond)


def _offset(zone: "re.Match[str]") -> str:
    return "Z" if zone["utc"] else zone["offset"]
