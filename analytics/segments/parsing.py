r"""The grammar of segments: reads texts, and says where a wrong one is wrong.

    segment  = field (":" | "=") value
             | compare "(" field ")" (":" | "=") value
             | ("set" | "unset") "(" field ")"
             | ("did" | "didnot") "(" type *("," ("n>=" number | number "d")) ")"
             | "saved(" name ")"
    compare  = "not" | "in" | "notin" | "contains" | "icontains" | "match"
             | "gt" | "ge" | "lt" | "le"
    field    = "event_type" | "user_id" | "properties" 1*8("." key)

The first `:` or `=` ends the field. The value is everything after it, unchanged. In a key, write a
backslash before each `.` `:` `=` `\`. The values of `in` and `notin`, and the parts of `did`, are
separated by commas; there, write a backslash before each `,` and `\` of a value.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from analytics.segments.escaping import (
    WrongText,
    items_in,
    names_in,
)
from analytics.segments.expressions import (
    MAX_CONDITIONS,
    TEXT,
    Comparison,
    Did,
    Field,
    InvalidSegment,
    Operator,
    Place,
    Saved,
    Segments,
    Term,
)
from analytics.segments.numbers import is_number

MAX_SEGMENTS = 10
MAX_GROUPS = 10
MAX_LENGTH = 16_384
# No event has deeper properties (events.format.properties), so a longer path would find nothing.
MAX_LEVELS = 8
MAX_PATTERN = 500
MAX_TIMES = 1_000_000
MAX_DAYS = 36_600
# The syntax above as a pattern, for the OpenAPI document. It does not check the text of numbers and
# of regular expressions, nor what the values of a list are.
_KEYS = r"properties(?:\.(?:[^\\.:=]|\\[\\.:=])*){1,8}"
_FIELD = rf"(?:event_type|user_id|{_KEYS})"
PATTERN = (
    rf"(?:(?:event_type|user_id)[:=][\s\S]+|{_KEYS}[:=][\s\S]*"
    rf"|(?:not|in|notin|contains|icontains|match|gt|ge|lt|le)\({_FIELD}\)[:=][\s\S]*"
    rf"|(?:set|unset)\({_FIELD}\)|(?:did|didnot|saved)\([\s\S]+\))"
)
GROUP = re.compile(r"or\.[1-9][0-9]{0,2}")

COMPARED: dict[str, tuple[Operator, bool]] = {
    "not": ("is", True),
    "in": ("is", False),
    "notin": ("is", True),
    "contains": ("contains", False),
    "icontains": ("icontains", False),
    "match": ("match", False),
    "gt": ("gt", False),
    "ge": ("ge", False),
    "lt": ("lt", False),
    "le": ("le", False),
}
OPERATORS = (*COMPARED, "set", "unset", "did", "didnot", "saved")
CALL = re.compile(r"(\w+)\(")
# These take several values.
LISTS = ("in", "notin")
_TIMES, _DAYS = re.compile(r"n>=([0-9]{1,7})"), re.compile(r"([0-9]{1,5})d")


def parse_segments(
    texts: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None
) -> Segments:
    """Segments that must all hold, and groups `or.N` of which one alternative must hold.

    Raises InvalidSegment.
    """
    found = groups or {}
    if len(found) > MAX_GROUPS:
        name = list(found)[MAX_GROUPS]
        raise InvalidSegment(
            Place(name), f"at most {MAX_GROUPS} groups of alternatives are allowed"
        )
    parsed = Segments(
        (
            *((term,) for term in _terms("segment", texts)),
            *(_terms(name, given) for name, given in found.items()),
        )
    )
    check_count(parsed)
    return parsed


def check_count(segments: Segments, place: Place | None = None) -> None:
    for number, condition in enumerate(segments.conditions(), start=1):
        if number > MAX_CONDITIONS:
            message = f"at most {MAX_CONDITIONS} conditions are allowed in all"
            raise InvalidSegment(place or condition.place, message)


def parse_text(text: str) -> Segments:
    """Segments as they stand in an address: `segment=event_type:buy&or.1=…&or.1=…`.

    Raises InvalidSegment.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidSegment(TEXT, f"longer than {MAX_LENGTH} characters")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidSegment(TEXT, "it is not UTF-8 where it has %") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name != "segment" and not GROUP.fullmatch(name):
            message = f"{name[:100]!r} is no part of a segment; write segment=… or or.1=…"
            raise InvalidSegment(TEXT, message)
        given.setdefault(name, []).append(value)
    if not given:
        raise InvalidSegment(TEXT, "it is empty; write segment=… or or.1=…")
    return parse_segments(given.pop("segment", []), given)


def parse_field(text: str) -> Field:
    """A field alone, such as `properties.country`. Raises ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    if not is_storable(text):
        raise ValueError("contains NUL or a lone surrogate; no event does")
    names, end = names_in(text, 0)
    if end < len(text):
        raise WrongText(f"a field takes no value; in a key, write \\{text[end]}", end)
    return field_of(names, 0)


def _terms(parameter: str, texts: Sequence[str]) -> tuple[Term, ...]:
    return tuple(_term(text, Place(parameter, n)) for n, text in enumerate(texts, start=1))


def _term(text: str, place: Place) -> Term:
    try:
        if place.number > MAX_SEGMENTS:
            raise InvalidSegment(place, f"at most {MAX_SEGMENTS} {_plural(place)} are allowed")
        if len(text) > MAX_LENGTH:
            raise InvalidSegment(place, f"longer than {MAX_LENGTH} characters")
        if not is_storable(text):
            raise InvalidSegment(place, "it contains NUL or a lone surrogate; no event does")
        call = CALL.match(text)
        return _called(call[1], text, place) if call else _plain(text, place)
    except WrongText as error:
        raise InvalidSegment(place, str(error)) from None


def _plural(place: Place) -> str:
    return "segments" if place.parameter == "segment" else "alternatives"


def is_storable(text: str) -> bool:
    """Whether an event could have the text: without NUL, and as UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _plain(text: str, place: Place) -> Comparison:
    names, end = names_in(text, 0)
    if end == len(text):
        raise WrongText("expected field:value", end)
    field = field_of(names, 0)
    return Comparison(field, "is", (_value(field, text[end + 1 :], end + 1),), place=place)


def _called(name: str, text: str, place: Place) -> Term:
    if name in COMPARED:
        return _compared(name, text, place)
    if name not in OPERATORS:
        raise WrongText(f"there is no operator {name[:100]}; there are {', '.join(OPERATORS)}", 0)
    if not text.endswith(")"):
        raise WrongText(f"{name}(…) must end with ) and takes no value", len(text))
    begin, inner = len(name) + 1, text[len(name) + 1 : -1]
    if name == "saved":
        return Saved(_required(inner, "saved(…) needs a name", begin), place=place)
    if name in ("did", "didnot"):
        return _did(inner, begin, negated=name == "didnot", place=place)
    names, end = names_in(inner, 0, offset=begin)
    if end < len(inner):
        raise WrongText(f"{name}(…) takes no value; in a key, write \\{inner[end]}", begin + end)
    return Comparison(field_of(names, begin), "set", negated=name == "unset", place=place)


def _compared(name: str, text: str, place: Place) -> Comparison:
    begin = len(name) + 1
    names, end = names_in(text, begin)
    if end == len(text):
        raise WrongText(f"expected {name}(field):value", end)
    if not names[-1].endswith(")") or text[end - 1] != ")":
        raise WrongText(f"expected ) before {text[end]}", end)
    field = field_of([*names[:-1], names[-1][:-1]], begin)
    operator, negated = COMPARED[name]
    given, at = text[end + 1 :], end + 1
    if name in LISTS:
        values = tuple(_value(field, item, place_of) for item, place_of in items_in(given, at))
    else:
        values = (_checked(name, field, given, at),)
    return Comparison(field, operator, values, negated, place)


def _checked(name: str, field: Field, value: str, at: int) -> str:
    if name in ("gt", "ge", "lt", "le"):
        if not is_number(value):
            raise WrongText(f"{name}(…) needs a number such as 42 or -1.5e3", at)
    elif name != "not":
        _required(value, f"{name}(…) needs a value", at)
    if name == "match" and len(value) > MAX_PATTERN:
        raise WrongText(f"a pattern has at most {MAX_PATTERN} characters", at + MAX_PATTERN)
    return _value(field, value, at)


def _value(field: Field, value: str, at: int) -> str:
    """The value. A property may be the empty text; a user and a type are never empty."""
    return value if field.path else _required(value, f"{field.name} needs a value", at)


def _required(text: str, complaint: str, at: int) -> str:
    if not text:
        raise WrongText(complaint, at)
    return text


def _did(inner: str, begin: int, *, negated: bool, place: Place) -> Did:
    (event_type, at), *options = items_in(inner, begin)
    _required(event_type, "did(…) needs an event type", at)
    times: int | None = None
    days: int | None = None
    for text, at in options:
        if times is None and (found := _TIMES.fullmatch(text)):
            times = _bounded(found[1], MAX_TIMES, at)
        elif days is None and (found := _DAYS.fullmatch(text)):
            days = _bounded(found[1], MAX_DAYS, at)
        else:
            message = "after the event type, did(…) takes n>=3 and 90d; a comma of the type is \\,"
            raise WrongText(message, at)
    return Did(event_type, times or 1, days, negated, place)


def _bounded(digits: str, most: int, at: int) -> int:
    if not 1 <= int(digits) <= most:
        raise WrongText(f"the number must be from 1 to {most}", at)
    return int(digits)


def field_of(names: list[str], at: int) -> Field:
    """The field with these names, which begin at this index. Raises WrongText."""
    field, *path = names
    if field in ("event_type", "user_id") and not path:
        return Field(field)
    if field != "properties" or not path:
        raise WrongText("the field must be event_type, user_id or properties.<key>", at)
    if len(path) > MAX_LEVELS:
        raise WrongText(f"at most {MAX_LEVELS} keys are allowed after properties", at)
    return Field(field, tuple(path))
