"""A segment that somebody types: reads its beginning, and writes what it may become."""

from typing import NamedTuple

from analytics.segments.escaping import WrongText, items_in, names_in, written_item, written_name
from analytics.segments.expressions import Field
from analytics.segments.parsing import CALL, COMPARED, LISTS, OPERATORS, field_of, is_storable


class Begun(NamedTuple):
    """A segment that somebody still types.

    `operator` stands before the bracket; it is empty without one. Without a `field`, `typed` is the
    beginning of a field, or of what `did` and `saved` take. With one, it is that of the value, or
    of the last value of a list, and `values` are those before it.
    """

    operator: str
    field: Field | None
    typed: str
    values: tuple[str, ...] = ()


def begun(text: str) -> Begun:
    """Reads a segment that need not be whole. A name without `properties.` is a property's.

    Raises ValueError for what is no beginning of any segment.
    """
    if not is_storable(text):
        raise ValueError("contains NUL or a lone surrogate; no event does")
    call = CALL.match(text)
    operator = call[1] if call else ""
    begin = len(operator) + 1 if call else 0
    if call and operator not in OPERATORS:
        raise WrongText(f"there is no operator {operator[:100]}", 0)
    if call and operator not in COMPARED:
        return Begun(operator, None, text[begin:])
    names, end = names_in(text, begin)
    if end == len(text):
        return Begun(operator, None, text[begin:])
    if call:
        names[-1] = names[-1].removesuffix(")")
    elif names[0] not in ("event_type", "user_id", "properties"):
        names = ["properties", *names]
    items = items_in(text[end + 1 :], end + 1) if operator in LISTS else [(text[end + 1 :], 0)]
    *values, typed = [item for item, _ in items]
    return Begun(operator, field_of(names, begin), typed, tuple(values))


def written_field(field: Field) -> str:
    """The field as `parse_field` reads it."""
    return ".".join([field.name, *map(written_name, field.path)])


def written(operator: str, field: Field, *values: str) -> str:
    """A comparison as a segment; an operator that takes no list has one value, or none yet."""
    name = written_field(field)
    if operator in ("set", "unset"):
        return f"{operator}({name})"
    value = ",".join(map(written_item, values)) if operator in LISTS else "".join(values)
    return f"{operator}({name}):{value}" if operator else f"{name}:{value}"


def written_did(operator: str, event_type: str) -> str:
    return f"{operator}({written_item(event_type)})"
