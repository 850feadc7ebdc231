"""What there is to ask about, by brute force in plain Python, to compare the answers with."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from tests.analytics import oracle, said
from tests.analytics.oracle import Event

Keys = tuple[str, ...]
_WORDS = {str: "text", bool: "boolean", int: "number", float: "number", list: "array"}


def within(events: Sequence[Event], start: date, end: date, zone: str) -> list[Event]:
    return [one for one in events if start <= oracle.day(one, zone) <= end]


def begins(text: str, prefix: str) -> bool:
    return text.casefold().startswith(prefix.casefold())


def event_types(
    events: Sequence[Event], zone: str, prefix: str = ""
) -> list[tuple[str, int, date, date]]:
    days: dict[str, list[date]] = {}
    for one in events:
        if begins(one["event_type"], prefix):
            days.setdefault(one["event_type"], []).append(oracle.day(one, zone))
    rows = [(name, len(found), min(found), max(found)) for name, found in days.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0].encode()))


def properties(events: Sequence[Event], prefix: str = "") -> list[tuple[str, list[str]]]:
    types: dict[str, set[str]] = {}
    for one in events:
        for keys, value in _leaves(one["properties"]):
            types.setdefault(path(keys), set()).add(_WORDS[type(value)])
    found = [(name, sorted(words)) for name, words in types.items() if begins(name, prefix)]
    return sorted(found, key=lambda row: row[0].encode())


def values(events: Sequence[Event], keys: Keys, prefix: str = "") -> list[tuple[str, int]]:
    texts = Counter(
        said_as(value) for one in events for at, value in _leaves(one["properties"]) if at == keys
    )
    rows = [(text, n) for text, n in texts.items() if text is not None and begins(text, prefix)]
    return sorted(rows, key=lambda row: (-row[1], row[0].encode()))


def path(keys: Keys) -> str:
    return ".".join(map(said.escaped, keys))


def said_as(value: Any) -> str | None:
    """A value as a segment says it; None for an array."""
    if isinstance(value, list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return said.FLOATS[value] if isinstance(value, float) else str(value)


def _leaves(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value that is neither null nor an object, with its keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    elif value is not None:
        yield keys, value
