"""The parts of a JSON Schema and its references, which may not lead out of the schema."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import jsonschema_rs

MAX_BYTES = 64 * 1024
# The engine accepts JSON of 255 levels, and an alternative in a copied schema takes six of them.
MAX_NESTED = 40
DRAFT = "https://json-schema.org/draft/2020-12/schema"

# Keywords whose value is a schema, a list of schemas, or schemas by name.
ONE = (
    *("not", "if", "then", "else", "items", "contains", "unevaluatedItems"),
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
)
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas")
# Keywords whose schemas apply to nothing unless a reference leads to them.
_ASIDE = ("$defs", "definitions")
# Their meaning depends on the schema that leads to them. Nobody needs this here, and no limit of
# its cost can be calculated.
_UNSUPPORTED = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
# An escaped NUL, which jsonb can't hold.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class SchemaRefused(ValueError):
    """What is wrong with a schema, in words for the person who wrote it."""


class Child(NamedTuple):
    keyword: str
    name: str
    schema: Any


class Readable(NamedTuple):
    """A schema that holds everything it refers to.

    `targets` maps the id() of each part with a `$ref` to the schema that the `$ref` names.
    """

    schema: Any
    targets: dict[int, Any]


def children(schema: Any) -> Iterator[Child]:
    """Yield the schemas directly in this one that may apply to an instance, without references."""
    if not isinstance(schema, dict):
        return
    for keyword in ONE:
        if keyword in schema:
            yield Child(keyword, "", schema[keyword])
    for keyword in LISTS:
        yield from (Child(keyword, str(n), one) for n, one in enumerate(schema.get(keyword, ())))
    for keyword in NAMED:
        yield from (Child(keyword, name, one) for name, one in schema.get(keyword, {}).items())


def read(schema: Any) -> Readable:
    """Check a schema's form and resolve its references. Raises SchemaRefused."""
    _check_text(schema)
    _check_form(schema)
    parts = _parts(schema, is_top=True)
    anchors = _anchors(parts)
    known = {id(part) for part in parts}
    targets: dict[int, Any] = {}
    # The loop adds targets in places where no schema is expected, such as `#/components/x`.
    for part in parts:
        if "$ref" not in part:
            continue
        target = targets[id(part)] = _resolved(schema, part["$ref"], anchors)
        if isinstance(target, dict) and id(target) not in known:
            _check_form(target)
            fresh = [one for one in _parts(target, is_top=False) if id(one) not in known]
            parts += fresh
            known |= {id(one) for one in fresh}
    return Readable(schema, targets)


def _check_text(schema: Any) -> None:
    """Raises SchemaRefused for text that PostgreSQL or the engine can't take."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except RecursionError:
        raise SchemaRefused(_too_nested()) from None
    except UnicodeEncodeError:
        raise SchemaRefused("it contains a lone surrogate, which is not valid text") from None
    except ValueError:
        raise SchemaRefused("it contains NaN or an infinite number, which are not JSON") from None
    if size > MAX_BYTES:
        raise SchemaRefused(f"it takes {size} bytes as JSON; {MAX_BYTES} are allowed")
    if _NUL.search(text):
        raise SchemaRefused("it contains a NUL character, which no event may contain")


def _check_form(schema: Any) -> None:
    draft = schema.get("$schema", DRAFT) if isinstance(schema, dict) else DRAFT
    if not isinstance(draft, str) or draft.removesuffix("#") != DRAFT:
        raise SchemaRefused(
            f"$schema is {draft!r:.200}; only draft 2020-12 is supported: leave $schema out or "
            f"set it to {DRAFT}"
        )
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        raise SchemaRefused(
            f"not a JSON Schema: {path(error.instance_path)}: {brief(error.message)}"
        ) from None
    except ValueError:  # the engine's own limit of depth
        raise SchemaRefused(_too_nested()) from None


def _parts(schema: Any, *, is_top: bool) -> list[dict[str, Any]]:
    """Return this schema and all schemas in it that are objects. Raises SchemaRefused."""
    found: list[dict[str, Any]] = []
    left = [(schema, 0)]
    while left:
        part, depth = left.pop()
        if depth > MAX_NESTED:
            raise SchemaRefused(_too_nested())
        if not isinstance(part, dict):
            continue
        _check_keywords(part, is_top=is_top and part is schema)
        found.append(part)
        aside = [one for keyword in _ASIDE for one in part.get(keyword, {}).values()]
        below = aside + [child.schema for child in children(part)]
        left += [(one, depth + 1) for one in below]
    return found


def _check_keywords(part: dict[str, Any], *, is_top: bool) -> None:
    for keyword in _UNSUPPORTED:
        if keyword in part:
            raise SchemaRefused(f"{keyword} is not supported; use $ref, $defs and $anchor")
    if not is_top:
        for keyword in ("$id", "$schema"):
            if keyword in part:
                raise SchemaRefused(f"{keyword} is allowed only at the top of the schema")


def _anchors(parts: list[dict[str, Any]]) -> dict[str, Any]:
    anchors: dict[str, Any] = {}
    for part in parts:
        name = part.get("$anchor")
        if name in anchors:
            raise SchemaRefused(f"$anchor {name!r:.200} appears twice")
        if name is not None:
            anchors[name] = part
    return anchors


def _resolved(schema: Any, reference: str, anchors: dict[str, Any]) -> Any:
    if not reference.startswith("#"):
        raise SchemaRefused(
            f"$ref {reference!r:.200} leads out of the schema; the service reads no other "
            "documents: copy the schema that it names into $defs and refer to it as #/$defs/name"
        )
    fragment = unquote(reference[1:])
    try:
        is_pointer = not fragment or fragment.startswith("/")
        target = _at(schema, fragment) if is_pointer else anchors[fragment]
    except (LookupError, TypeError):
        raise SchemaRefused(f"$ref {reference!r:.200} leads to nothing in the schema") from None
    if not isinstance(target, dict | bool):
        raise SchemaRefused(f"$ref {reference!r:.200} leads to something that is not a schema")
    return target


def _at(schema: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        schema = schema[int(name) if isinstance(schema, list) and name.isdecimal() else name]
    return schema


def _too_nested() -> str:
    return f"it is nested too deep; at most {MAX_NESTED} levels of schemas are allowed"


def path(steps: list[str | int]) -> str:
    """Return a path as `$.items[0].price`, in at most about 200 characters."""
    named = (f"[{one}]" if isinstance(one, int) else f".{one}" for one in steps)
    return brief("$" + "".join(named), 200)


def brief(text: str, most: int = 290) -> str:
    """Shorten a text to `most` characters by leaving out its middle.

    Messages begin with what was sent and end with the rule, so both stay.
    """
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"
