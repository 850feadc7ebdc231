"""Calculate how long a schema can take for one event at most, before any event arrives.

The engine holds the interpreter while it judges one event, and nothing can interrupt it. So the
cost of a schema is limited when the schema is saved. Properties have at most 64 KiB, 255 keys and 8
levels: few places in an event are values of keys, but tens of thousands can be items of arrays. For
each kind of place, the calculation adds up the keywords that can meet at one place, through all
references.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jsonschema_rs

from events.format.properties import MAX_BYTES, MAX_DEPTH
from events.schemas.keywords import has_nested
from events.schemas.references import Child, Readable, SchemaRefused, children

# The longest time that one event may hold the interpreter, on two cores of 2.x GHz.
MOST_SECONDS = 0.3
# The places in an event, by kind. Values of keys: there are 255, but some numbers are longer there
# than in an array, so they count as more. Items: the shortest take two bytes.
_KEYED, _ITEMS = 1024, MAX_BYTES // 2
# Nanoseconds for each place, measured with the worst values: the time for each keyword and for each
# name or option in its list, and the extra time that some keywords take.
_KEYWORD_NS = 10
_COMPARED_NS = {
    **dict.fromkeys(("enum", "const", "minimum", "maximum"), 500),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), 500),
    **dict.fromkeys(("multipleOf", "uniqueItems"), 700),
}
# Nanoseconds for each byte of texts and of nested values. Nested values are frozen once for each
# level around them.
_TEXT_NS, _FROZEN_NS = 1, 500
# The compiled size of a pattern, and nanoseconds for each byte of the worst text found. Above 4 KiB
# the engine may have to follow every state at once.
_PATTERN_NS = {2048: 30, 4096: 170, 8192: 650, 16384: 1500, 32768: 2800, 65536: 4000}
_MAX_PATTERNS = 1024 * 1024
# All letters of Unicode, all capital letters, and other classes of many ranges.
_LARGE_CLASS = re.compile(r"\\p", re.IGNORECASE)
_CACHE = 256 * 1024
PATTERNS = jsonschema_rs.RegexOptions(size_limit=max(_PATTERN_NS), dfa_size_limit=_CACHE)

_HERE = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_TO_ITEMS = ("items", "contains", "unevaluatedItems", "prefixItems")
# Of the schemas under these keywords, only one can lead to the same place.
_APART = ("properties", "prefixItems")
# If a schema uses unevaluatedItems or unevaluatedProperties, the engine tries again every schema
# that could have evaluated a value, and repeats this for each level around the value. Measured: up
# to 3 times for each level, and 6 times if there are alternatives.
_AGAIN = {
    **dict.fromkeys((*_HERE, "contains", "unevaluatedItems", "unevaluatedProperties"), 3),
    **dict.fromkeys(("anyOf", "oneOf"), 6),
}
# The longest chain of schemas and references, because Python follows it by recursion.
_MAX_STEPS = 100


class _Load(NamedTuple):
    """The most nanoseconds at one place that is a key's value, at one item, and for one byte."""

    keyed: float = 0.0
    item: float = 0.0
    byte: float = 0.0

    def times(self, factor: int) -> "_Load":
        return _Load(*(factor * part for part in self))

    def seconds(self) -> float:
        return 1e-9 * (self.keyed * _KEYED + self.item * _ITEMS + self.byte * MAX_BYTES)


def check_cost(readable: Readable) -> None:
    """Raises SchemaRefused if an event could take too long, or the patterns are too large."""
    _check_patterns(readable)
    walk = _Walk(readable)
    for levels in range(MAX_DEPTH + 1):
        seconds = walk.most(readable.schema, levels, is_item=False).seconds()
        if seconds > MOST_SECONDS:
            raise SchemaRefused(
                f"an event could take {seconds:.2g} s to check, and {MOST_SECONDS} s are allowed: "
                "use smaller patterns, or fewer keywords that apply to the same value"
            )


class _Place(NamedTuple):
    """A place where keywords meet: how many levels below a schema, and of which kind.

    `is_array` describes the value that the schema itself judges: an array, or else an object.
    """

    levels: int
    is_item: bool
    is_array: bool


class _Walk:
    """Adds up the costs of the keywords that meet at places below a schema."""

    def __init__(self, readable: Readable) -> None:
        schemas = _reachable(readable)
        self._children = {id(one): [*_children(one, readable)] for one in schemas}
        self._known: dict[tuple[int, _Place], _Load] = {}
        self._open: set[tuple[int, _Place]] = set()
        unevaluated = {"unevaluatedItems", "unevaluatedProperties"}
        self._again = _AGAIN if any(one.keys() & unevaluated for one in schemas) else {}

    def most(self, schema: Any, levels: int, *, is_item: bool) -> _Load:
        """Return the highest load at a place `levels` below a schema.

        Raises SchemaRefused if a schema leads back to itself at the same place.
        """
        # At level 0 it does not matter whether the value is an object or an array.
        kinds = (False, True) if levels else (False,)
        return _most(self._load(schema, _Place(levels, is_item, kind)) for kind in kinds)

    def _load(self, schema: Any, place: _Place) -> _Load:
        if not isinstance(schema, dict) or (place.levels and not self._children[id(schema)]):
            return _Load()
        key = (id(schema), place)
        if key not in self._known:
            self._enter(key)
            self._known[key] = self._sum(schema, place)
            self._open.remove(key)
        return self._known[key]

    def _enter(self, key: tuple[int, _Place]) -> None:
        if key in self._open:
            raise SchemaRefused(
                "a $ref leads back to itself with no property or item in between, so the check "
                "would never end"
            )
        if len(self._open) >= _MAX_STEPS:
            raise SchemaRefused(f"a chain of schemas and references is longer than {_MAX_STEPS}")
        self._open.add(key)

    def _sum(self, schema: dict[str, Any], place: _Place) -> _Load:
        together = [] if place.levels else [_own(schema, is_item=place.is_item)]
        apart: list[_Load] = []
        for child in self._children[id(schema)]:
            load = self._child(child, place).times(self._again.get(child.keyword, 1))
            (apart if child.keyword in _APART else together).append(load)
        return _added([_most(apart), *together])

    def _child(self, child: Child, place: _Place) -> _Load:
        if child.keyword in _HERE:
            return self._load(child.schema, place)
        to_item = child.keyword in _TO_ITEMS
        if not place.levels or to_item != place.is_array:
            return _Load()
        return self.most(child.schema, place.levels - 1, is_item=to_item)


def _children(schema: dict[str, Any], readable: Readable) -> Iterator[Child]:
    yield from children(schema)
    if id(schema) in readable.targets:
        yield Child("$ref", "", readable.targets[id(schema)])


def _added(loads: Iterable[_Load]) -> _Load:
    return _Load(*map(sum, zip(_Load(), *loads, strict=True)))


def _most(loads: Iterable[_Load]) -> _Load:
    return _Load(*map(max, zip(_Load(), *loads, strict=True)))


def _own(schema: dict[str, Any], *, is_item: bool) -> _Load:
    """Return the load of the keywords of one schema, without the schemas inside it."""
    place = float(_KEYWORD_NS)
    byte = float(sum(_PATTERN_NS[_size(pattern)] for pattern in _patterns(schema)))
    for keyword, value in schema.items():
        named = len(value) if isinstance(value, list | dict) and keyword != "enum" else 0
        place += _KEYWORD_NS * (1 + named) + _COMPARED_NS.get(keyword, 0)
        byte += _FROZEN_NS if _freezes(keyword, value) else _TEXT_NS
    # If a pattern is a choice of words, the engine tries the words one after another.
    place += len(schema.get("pattern", ""))
    return _Load(item=place, byte=byte) if is_item else _Load(keyed=place, byte=byte)


def _freezes(keyword: str, value: Any) -> bool:
    options = {"enum": value, "const": [value]}.get(keyword, ())
    return keyword == "uniqueItems" or has_nested(options)


def _patterns(schema: dict[str, Any]) -> list[str]:
    found = [schema["pattern"]] if "pattern" in schema else []
    return found + list(schema.get("patternProperties", ()))


def _check_patterns(readable: Readable) -> None:
    """Limit the total size of the patterns, and so the time and memory to compile them."""
    found = {pattern for schema in _reachable(readable) for pattern in _patterns(schema)}
    total = sum(map(_size, found))
    if total > _MAX_PATTERNS:
        raise SchemaRefused(
            f"its patterns take {total} bytes when compiled; {_MAX_PATTERNS} are allowed"
        )


def _reachable(readable: Readable) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    left = [readable.schema, *readable.targets.values()]
    while left:
        schema = left.pop()
        if isinstance(schema, dict) and id(schema) not in found:
            found[id(schema)] = schema
            left += [child.schema for child in children(schema)]
    return list(found.values())


@lru_cache(maxsize=4096)
def _size(pattern: str) -> int:
    """Return the smallest size in _PATTERN_NS that the compiled pattern fits in.

    Raises SchemaRefused.
    """
    for size in _PATTERN_NS:
        if _compiles(pattern, jsonschema_rs.RegexOptions(size_limit=size)):
            return size
    if _compiles(pattern, jsonschema_rs.RegexOptions()):
        raise SchemaRefused(f"the pattern {pattern!r:.200} is too large; {_advice(pattern)}")
    raise SchemaRefused(
        f"the pattern {pattern!r:.200} is invalid or far too large; look-around such as (?=x) and "
        "back-references such as \\1 are not supported, because they can take too long"
    )


def _advice(pattern: str) -> str:
    r"""How to write it smaller. \p{L} alone takes 43 KiB, and three of them are too large."""
    if _LARGE_CLASS.search(pattern):
        return (
            "\\p{L} and the like are large: write the letters that you need, such as [a-zà-ÿ], or "
            "one script, such as \\p{Greek}"
        )
    return "to limit the length of a text, use minLength and maxLength instead of {1,500}"


def _compiles(pattern: str, options: jsonschema_rs.RegexOptions) -> bool:
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except ValueError:
        return False
    return True
