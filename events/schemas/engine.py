"""Prepare a schema, and judge the properties of events by it in a limited time for each event.

The engine gets a copy of the schema. The copy holds only the known keywords and refers only to its
own `$defs`, so no schema can make the engine fetch or read anything.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jsonschema_rs

from events.schemas.cost import PATTERNS, check_cost
from events.schemas.keywords import CHOICE, CHOICES, KEYWORDS
from events.schemas.references import LISTS, NAMED, ONE, Readable, SchemaRefused, brief, path, read

# Takes decoded properties. Returns what is wrong in at most 500 characters; None if nothing is.
Judge: TypeAlias = Callable[[Any], str | None]

# To say what is wrong, the engine judges twice more and holds the interpreter meanwhile. It does so
# only if it has found a fault within this time.
_TELLING_SECONDS = 0.05
_ASSERTIONS = (
    *("type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "minLength", "maxLength", "pattern", "minItems", "maxItems"),
    *("uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"),
    *("required", "dependentRequired"),
)


class SchemaBroken(RuntimeError):
    """The schema can't judge any event, or not this event. This says nothing about the event."""


def judge(schema: Any) -> Judge:
    """Return a function that judges properties by a schema, and may raise SchemaBroken.

    Raises SchemaRefused, which says why this schema can't be used.
    """
    readable = read(schema)
    check_cost(readable)
    try:
        validator = jsonschema_rs.Draft202012Validator(
            _copied(readable),
            validate_formats=False,
            pattern_options=PATTERNS,
            keywords=dict(KEYWORDS),
            offline=True,
        )
    except Exception as error:
        raise SchemaRefused(f"the JSON Schema engine refuses it: {brief(str(error))}") from None
    return partial(_guarded, validator)


def _guarded(validator: jsonschema_rs.Validator, properties: Any) -> str | None:
    try:
        return _fault(validator, properties)
    except BaseException as error:
        # A panic of the engine is not an Exception, and its class can't be imported.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise SchemaBroken(brief(f"{type(error).__name__}: {error}")) from error
        raise


def _fault(validator: jsonschema_rs.Validator, properties: Any) -> str | None:
    began = time.thread_time()
    if validator.is_valid(properties):
        return None
    if time.thread_time() - began > _TELLING_SECONDS:
        return "$: the properties do not match their schema; to find the place would take too long"
    try:
        validator.validate(properties)
    except jsonschema_rs.ValidationError as error:
        return f"{path(error.instance_path)}: {brief(error.message)}"
    raise RuntimeError("the engine judged the same properties in two ways")


def _copied(readable: Readable) -> dict[str, Any]:
    """Return a new schema with the old one as `$defs/0`, followed by each schema it refers to."""
    targets, names = [readable.schema], {id(readable.schema): 0}
    for target in readable.targets.values():
        if id(target) not in names:
            names[id(target)] = len(targets)
            targets.append(target)

    def copy(schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        made = {keyword: schema[keyword] for keyword in _ASSERTIONS if keyword in schema}
        made |= {keyword: copy(schema[keyword]) for keyword in ONE if keyword in schema}
        for keyword in LISTS:
            if keyword in schema:
                made[keyword] = [copy(one) for one in schema[keyword]]
        for keyword in NAMED:
            if keyword in schema:
                made[keyword] = {name: copy(one) for name, one in schema[keyword].items()}
        if "$ref" in schema:
            made["$ref"] = f"#/$defs/{names[id(readable.targets[id(schema)])]}"
        return _without_descriptions(made)

    definitions = {str(number): copy(target) for number, target in enumerate(targets)}
    return {"$ref": "#/$defs/0", "$defs": definitions}


def _without_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the same schema, changed so that the engine does not describe failed alternatives.

    The engine would list every fault of each alternative: 17 s for {} under 18 references that
    double. For `not`, it would quote the copied schema.
    """
    asked = [{"if": {one: schema[one]}, "else": {CHOICE: one}} for one in CHOICES if one in schema]
    if asked:
        schema = {name: value for name, value in schema.items() if name not in CHOICES}
        schema["allOf"] = [*schema.get("allOf", ()), *asked]
    return schema
