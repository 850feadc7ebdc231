"""A moment in any spelling of ISO 8601 that databases and languages write."""

import re
from datetime import datetime

# Longer than any spelling, so that no time goes into a text that is none.
_MAX_LENGTH = 80
# `2026-11-27 10:00:00 UTC` is BigQuery's, ` +0000 UTC` Go's, `+02:00[Europe/Kyiv]` Java's.
_ZONE = re.compile(
    r" ?(?:(?P<utc>Z|UTC|GMT)|(?P<offset>[+-]\d\d(?::?\d\d)?)(?: [A-Z]{3,5})?)(?:\[[^\]]*\])?$"
)


def parse(text: str) -> datetime:
    """Its moment, aware where the text has an offset. Raises ValueError."""
    if len(text) > _MAX_LENGTH:
        raise ValueError("no time is written that long")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(_ZONE.sub(_offset, text.strip().upper()))


def _offset(zone: "re.Match[str]") -> str:
    return "Z" if zone["utc"] else zone["offset"]
