"""What there is to ask about in a project: its event types, properties and their values."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from analytics.asking import ask
from analytics.discovery.looking import (
    FIRST_DAY,
    LAST_DAY,
    Look,
    Question,
    condition,
    look,
    parameters,
)
from analytics.queries import load, load_filled
from analytics.segments.expressions import Field
from analytics.segments.readers import Bind, value_as_text

# About how many events are looked at, so that ClickHouse needs some 20 ms of CPU.
MOST = 50_000
# Of a path or a value. Nobody chooses a longer one from a list.
LONGEST = 1_000
_TYPES = {
    "String": "text",
    "Bool": "boolean",
    "Int64": "number",
    "UInt64": "number",
    "Float64": "number",
}
_Row = TypeVar("_Row")


class EventType(NamedTuple):
    """How many events of a type there are, and the first and the last day that has one."""

    event_type: str
    events: int
    first_day: date
    last_day: date


class Property(NamedTuple):
    """A property as a segment names it after `properties.`, and the types of its values."""

    path: str
    types: Sequence[str]


class Value(NamedTuple):
    """A value as text, and how many of the events that were looked at have it."""

    value: str
    events: int


class Found(NamedTuple, Generic[_Row]):
    """At most as many rows as asked for, whether there are more, and what was looked at."""

    rows: list[_Row]
    more: bool
    seen: Look


def event_types(question: Question, *, prefix: str, limit: int) -> Found[EventType]:
    """Event types, most frequent first; equal counts by name. Raises ClickHouseError."""
    seen = Look(question.start, question.end)
    if not question.zone.is_rolled_up:
        return _types_of_events(question, seen, prefix, limit)
    given = {"start": question.start, "end": question.end, "prefix": prefix}
    rows = _ask("discovery_event_types", load("discovery_event_types"), question, given, limit)
    return _found_types(rows, limit, seen)


def types_soon(question: Question, *, prefix: str, limit: int) -> Found[EventType]:
    """About the same for somebody who types, without reading all events. Raises ClickHouseError.

    The days are those of the rollup, and so one more on both sides, if its zone is another. While
    nobody may read it, only the newest events are looked at.
    """
    of_rollup = question.zone.of_rollups()
    if of_rollup is None:
        return _types_of_events(question, look(question, most=MOST), prefix, limit)
    if of_rollup != question.zone.name:
        question = replace(
            question,
            zone=question.zone._replace(name=of_rollup),
            start=max(FIRST_DAY, question.start - timedelta(days=1)),
            end=min(LAST_DAY, question.end + timedelta(days=1)),
        )
    return event_types(question, prefix=prefix, limit=limit)


def _types_of_events(question: Question, seen: Look, prefix: str, limit: int) -> Found[EventType]:
    name = "discovery_event_types_raw"
    sql = load_filled(name, {"looked at": condition(question, seen)})
    given = {**parameters(question, seen), "prefix": prefix}
    return _found_types(_ask(name, sql, question, given, limit), limit, seen)


def _found_types(rows: list[list[Any]], limit: int, seen: Look) -> Found[EventType]:
    types = [
        EventType(event_type, int(events), date.fromisoformat(first), date.fromisoformat(last))
        for event_type, events, first, last in rows
    ]
    return Found(types[:limit], len(types) > limit, seen)


def properties(question: Question, *, prefix: str, limit: int) -> Found[Property]:
    """Properties by path. Raises ClickHouseError.

    A property that is always null, and an object itself, is none: nothing of it is stored.
    """
    seen = look(question, most=MOST)
    given = {**parameters(question, seen), "prefix": prefix, "longest": LONGEST}
    sql = load_filled("discovery_properties", {"looked at": condition(question, seen)})
    rows = _ask("discovery_properties", sql, question, given, limit)
    found = [Property(path, sorted({_type(name) for name in names})) for path, names in rows]
    return Found(found[:limit], len(found) > limit, seen)


def values(question: Question, field: Field, *, prefix: str, limit: int) -> Found[Value]:
    """Values of a property, most frequent first; equal counts by text. Raises ClickHouseError.

    Arrays and objects are no values.
    """
    seen = look(question, most=MOST)
    given = {**parameters(question, seen), "prefix": prefix, "longest": LONGEST}
    # Most values are there many times, so it is cheaper to look at their beginnings once they are
    # counted. But of all events there may be more values than a table of them can hold.
    begins, always = "startsWith(caseFoldUTF8(value), caseFoldUTF8({prefix:String}))", "1"
    texts = {
        "value": value_as_text(field, _binding(given)),
        "looked at": condition(question, seen),
        "before counting": begins if question.all else always,
        "once counted": always if question.all else begins,
    }
    sql = load_filled("discovery_values", texts)
    rows = _ask("discovery_values", sql, question, given, limit)
    found = [Value(value, int(events)) for value, events in rows]
    return Found(found[:limit], len(found) > limit, seen)


def _ask(
    name: str, sql: str, question: Question, given: dict[str, Any], limit: int
) -> list[list[Any]]:
    """The rows, and one more than the limit if there is one."""
    return ask(name, sql, project=question.project, parameters={**given, "limit": limit + 1})


def _type(name: str) -> str:
    """The word for a type of ClickHouse. Every type that is not in the table is an array."""
    return _TYPES.get(name, "array")


def _binding(given: dict[str, Any]) -> Bind:
    """Binds parameters by adding them to `given`."""

    def bind(name: str, type_name: str, value: object) -> str:
        given[name] = value
        return f"{{{name}:{type_name}}}"

    return bind
