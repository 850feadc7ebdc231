"""Completes a segment or a field that somebody types, from what there is in their project.

An offer is a whole text for the place where they type, written so that the parser of segments reads
it. So nobody has to know the language, and no client has to know its grammar.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from analytics.discovery import finding
from analytics.discovery.looking import Question
from analytics.discovery.typed import Begun, begun, written, written_did, written_field
from analytics.models import SavedSegment
from analytics.people.listing import ids_like
from analytics.segments.expressions import Field
from analytics.segments.numbers import is_number
from analytics.segments.parsing import is_storable, parse_field
from config.building_blocks import unavailable

# Of each kind.
MOST = 10
# No event type, path or value that discovery lists is longer.
_LONGEST = finding.LONGEST
_EVENT_TYPE, _USER = Field("event_type"), Field("user_id")
_NAMES = ((_EVENT_TYPE, "Event type"), (_USER, "User"))
_DID = (("did", "Users who did"), ("didnot", "Users who did not"))
_ORDERED = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
_OF_A_FIELD = ("set", "unset")


class Offer(NamedTuple):
    """`text` is for the place where somebody types, `label` is shown, and `about` says what it is.

    What is not `whole` has to be typed on.
    """

    text: str
    label: str
    about: str
    whole: bool


def segments(question: Question, text: str, *, types_first: bool = False) -> list[Offer]:
    """What a segment may become that begins like this; nothing if it can't become one.

    With `types_first`, event types come before the fields. Raises ClickHouseError.
    """
    try:
        typed = begun(text)
    except ValueError:
        return []
    if not _may_be_found(typed.typed):
        return []
    if typed.field is not None:
        return _typable(_values(question, typed, typed.field))
    if typed.operator:
        return _typable(_called(question, typed))
    types = [*_types(question, typed.typed, "", "event type")]
    fields = [*_fields(question, typed.typed)]
    first = [*types, *fields] if types_first else [*fields, *types]
    return _typable([*first, *_saved(question.project, typed.typed), *_did(typed.typed)])


def fields(question: Question, text: str) -> list[Offer]:
    """The fields of which a report may have lines, that begin like this. Raises ClickHouseError."""
    if not _may_be_found(text):
        return []
    found = [_whole_field(_EVENT_TYPE, "Event type", "field")] if _fits("event_type", text) else []
    paths = _properties(question, text)
    return _typable([*found, *(_whole_field(*path) for path in paths)])


def _may_be_found(text: str) -> bool:
    return len(text) <= _LONGEST and is_storable(text)


def _typable(offers: list[Offer]) -> list[Offer]:
    """Without those that have more than one line: a field of a form would leave out its ends."""
    return [offer for offer in offers if not {"\r", "\n"} & {*offer.text}]


def _fits(name: str, typed: str) -> bool:
    return name.casefold().startswith(typed.casefold())


def _whole_field(field: Field, label: str, about: str) -> Offer:
    return Offer(written_field(field), label, about, whole=True)


def _fields(question: Question, typed: str, operator: str = "") -> Iterator[Offer]:
    is_whole = operator in _OF_A_FIELD
    for field, label in _NAMES:
        if _fits(field.name, typed) or _fits(label, typed):
            yield Offer(written(operator, field), label, "field", is_whole)
    for field, label, about in _properties(question, typed):
        yield Offer(written(operator, field), label, about, is_whole)


def _properties(question: Question, typed: str) -> Iterator[tuple[Field, str, str]]:
    """The field, its path and its types."""
    rows = finding.properties(question, prefix=typed.removeprefix("properties."), limit=MOST).rows
    if not rows and _fits("properties.", typed):
        rows = finding.properties(question, prefix="", limit=MOST).rows
    for row in rows:
        with suppress(ValueError):
            field = parse_field(f"properties.{row.path}")
            yield field, row.path, " or ".join(row.types) or "property"


def _types(question: Question, typed: str, operator: str, about: str) -> Iterator[Offer]:
    """Event types as whole segments; `operator` is one of those that take a type, or none."""
    for row in finding.types_soon(question, prefix=typed, limit=MOST).rows:
        name = row.event_type
        text = written_did(operator, name) if operator else written("", _EVENT_TYPE, name)
        yield Offer(text, name, about, whole=True)


def _saved(project: int, typed: str) -> Iterator[Offer]:
    """Without PostgreSQL, the others are offered all the same."""
    rows = SavedSegment.objects.filter(project=project, name__istartswith=typed).order_by("name")
    with suppress(*unavailable.POSTGRESQL):
        for name in [*rows.values_list("name", flat=True)[:MOST]]:
            yield Offer(f"saved({name})", name, "saved segment", whole=True)


def _did(typed: str) -> Iterator[Offer]:
    for operator, label in _DID:
        if _fits(operator, typed) or _fits(label, typed):
            yield Offer(f"{operator}(", f"{label} \u2026", "an event, ever", whole=False)


def _called(question: Question, typed: Begun) -> list[Offer]:
    """What the brackets of an operator may have."""
    if typed.operator in dict(_DID):
        return [*_types(question, typed.typed, typed.operator, dict(_DID)[typed.operator])]
    if typed.operator == "saved":
        return [*_saved(question.project, typed.typed)]
    return [*_fields(question, typed.typed, typed.operator)]


def _values(question: Question, typed: Begun, field: Field) -> list[Offer]:
    if typed.operator in ("match", "contains", "icontains"):
        return []
    found = [*_values_of(question, field, typed.typed)]
    if typed.operator in _ORDERED:
        found = [(value, about) for value, about in found if is_number(value)]
    offers = [
        Offer(
            written(typed.operator, field, *typed.values, value),
            value or "(empty)",
            about,
            whole=True,
        )
        for value, about in found
    ]
    if typed.operator:
        return offers
    has_numbers = any(is_number(value) for value, _ in found)
    others = [*_comparisons(field, typed.typed, has_numbers=has_numbers)]
    # Of numbers, hardly anybody looks for a certain one.
    return [*others, *offers] if has_numbers and not typed.typed else [*offers, *others]


def _values_of(question: Question, field: Field, prefix: str) -> Iterator[tuple[str, str]]:
    """Each value, and what there is to say about it."""
    if field == _USER:
        found = ids_like(prefix, project=question.project, limit=MOST)
        yield from ((user_id, "user") for user_id in found)
    elif field == _EVENT_TYPE:
        for row in finding.types_soon(question, prefix=prefix, limit=MOST).rows:
            yield row.event_type, _events(row.events)
    else:
        for value in finding.values(question, field, prefix=prefix, limit=MOST).rows:
            yield value.value, _events(value.events)


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _comparisons(field: Field, value: str, *, has_numbers: bool) -> Iterator[Offer]:
    """What else the field may be compared by, with the value typed so far."""
    name = ".".join(field.path) or field.name
    more = "" if value else " \u2026"
    given = f" {value}" if value else ""
    if value:
        yield Offer(written("", field, value), f"is{given}", name, whole=True)
    words = {"not": "is not", "in": "is one of", "contains": "contains"}
    if has_numbers and (not value or is_number(value)):
        words |= {sign: f"is {word}" for sign, word in _ORDERED.items()}
    for operator, word in words.items():
        text = written(operator, field, *([value] if value else []))
        yield Offer(text, f"{word}{given}{more}", name, whole=bool(value) and operator != "in")
    if field.path and not value:
        yield Offer(written("set", field), "is set", name, whole=True)
        yield Offer(written("unset", field), "is not set", name, whole=True)
