"""Schemas made ready and events judged: what is refused, and what is wrong."""

import threading
from pathlib import Path
from typing import Any

import pytest

from events.schemas import engine
from events.schemas.engine import SchemaBroken, judge
from events.schemas.references import MAX_BYTES, MAX_NESTED, SchemaRefused
from tests.events.schemas.shapes import inside, items, nested


def refusal(schema: Any) -> str:
    with pytest.raises(SchemaRefused) as error:
        judge(schema)
    return str(error.value)


def doubling(levels: int, last: Any) -> dict[str, Any]:
    """One schema that leads to the last by 2^levels ways."""
    steps = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**steps, f"d{levels}": last}}


# --- references


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "http://127.0.0.1/x"}, "leads out of the schema"),
        ({"$ref": "other.json#/a"}, "leads out of the schema"),
        (inside({"$ref": "urn:x:y"}), "leads out of the schema"),
        ({"$defs": {"unused": {"$ref": "https://example.com"}}}, "leads out of the schema"),
        ({"$id": "https://me.example/s", "$ref": "https://me.example/s#/$defs/a"}, "leads out"),
        ({"$ref": "#/$defs/missing"}, "leads to nothing"),
        ({"$ref": "#missing"}, "leads to nothing"),
        ({"$ref": "#/allOf/-1", "allOf": [True]}, "leads to nothing"),
        ({"$ref": "#/enum/0", "enum": [5]}, "leads to something that is not a schema"),
        ({"$ref": "#/x", "x": {"type": "objekt"}}, "not a JSON Schema"),
        ({"$ref": "#"}, "never end"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
         "never end"),
        (inside({"anyOf": [{"not": {"$ref": "#/properties/a"}}]}), "never end"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not supported"),
        (inside({"$recursiveRef": "#"}), "$recursiveRef is not supported"),
        (inside({"$id": "http://127.0.0.1/"}), "$id is allowed only at the top"),
        ({"$schema": "http://127.0.0.1/meta"}, "only draft 2020-12"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only draft 2020-12"),
        ({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, "appears twice"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_or_elsewhere_is_refused(schema: Any, reason: str) -> None:
    assert reason in refusal(schema)


def test_a_file_that_would_do_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text("true")
    assert "reads no other documents" in refusal({"$ref": path.as_uri()})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a%20~1b", "$defs": {"a /b": {"required": ["x"]}}},
        {"$ref": "#/$defs/a~01", "$defs": {"a~1": {"required": ["x"]}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "required": ["x"]}}},
        {"$ref": "#/definitions/a", "definitions": {"a": {"required": ["x"]}}},
        {"$ref": "#/components/a", "components": {"a": {"required": ["x"]}}},
        {"$ref": "#/anyOf/1", "anyOf": [True, {"required": ["x"]}]},
        {"$id": "https://me.example/s", "$ref": "#/$defs/a", "$defs": {"a": {"required": ["x"]}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "required": ["x"]},
    ],
)
def test_references_inside_the_schema_are_followed(schema: Any) -> None:
    assert judge(schema)({}) == '$: "x" is a required property'
    assert judge(schema)({"x": 1}) is None


def test_what_only_looks_like_a_reference_is_a_value() -> None:
    value = {"$ref": "http://127.0.0.1/"}
    assert judge(inside({"const": value}))({"a": value}) is None


def test_a_schema_of_trees_works() -> None:
    tree = {
        "type": "object",
        "required": ["name"],
        "properties": {"parts": {"items": {"$ref": "#"}}, "twin": {"$ref": "#"}},
    }
    told = judge(tree)({"name": "a", "parts": [{"name": "b"}, {"name": "c", "twin": {}}]})
    assert told == '$.parts[1].twin: "name" is a required property'
    anything = {
        "anyOf": [
            {"type": "object", "additionalProperties": {"$ref": "#"}},
            {"type": "array", "items": {"$ref": "#"}},
            {"type": ["string", "number"]},
        ]
    }
    assert judge(anything)({"a": [[{"b": [1, "c"]}]]}) is None
    assert judge(anything)({"a": [[{"b": [1, None]}]]}) is not None


# --- what is no schema, or too much of one


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "objekt"}, 'not a JSON Schema: $.type: "objekt"'),
        ([], "not a JSON Schema"),
        ({"minimum": float("nan")}, "NaN"),
        ({"const": "\0"}, "NUL"),
        ({"const": "\ud800"}, "surrogate"),
        ({"description": "x" * MAX_BYTES}, "bytes as JSON"),
        (nested(MAX_NESTED + 1, lambda one: {"not": one}, True), "nested too deep"),
        (nested(5_000, lambda one: {"not": one}, True), "nested too deep"),
        ({"const": nested(500, lambda one: [one], 1)}, "limit reached"),
        ({"pattern": "("}, "is invalid"),
        ({"pattern": "(?=a)b"}, "look-around"),
        ({"patternProperties": {r"(a)\1": True}}, "back-references"),
        (inside({"pattern": "(a{1000}){1000}"}), "far too large"),
        (inside({"pattern": "(ab){2000}"}), "use minLength and maxLength"),
        (inside({"pattern": r"[[:alpha:]]\w+\p{L}{1,3}"}), r"one script, such as \p{Greek}"),
        ({"properties": {f"k{n}": {"pattern": f"{n}x[ab]{{99}}"} for n in range(300)}}, "compiled"),
        (doubling(30, {"type": "string"}), "could take"),
        (inside(doubling(30, True) | {"unevaluatedProperties": False}), "leads to nothing"),
        (doubling(30, True) | {"unevaluatedProperties": False}, "could take"),
        (items({"allOf": [{"type": "integer"}] * 1_000}), "could take"),
        ({"anyOf": [{"properties": {"a": {"$ref": "#"}}}] * 9}, "could take"),
        (inside({"allOf": [{"pattern": f"a[ab]{{60}}{n}"} for n in range(9)]}), "could take"),
        (nested(8, inside, {"allOf": [{"pattern": f"a[ab]{{60}}{n}"} for n in range(9)]}), "could"),
        (nested(7, lambda one: {"anyOf": [one], "unevaluatedItems": True}, True), "could take"),
        (nested(20, lambda one: {"allOf": [one], "unevaluatedItems": True}, True), "could take"),
        ({"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(200)}
          | {"200": True}}, "is longer than"),
    ],
)  # fmt: skip
def test_what_is_no_schema_or_could_take_too_long_is_refused(schema: Any, reason: str) -> None:
    assert reason in refusal(schema)


@pytest.mark.parametrize("keyword", ["not", "anyOf", "oneOf", "items", "properties", "contains"])
def test_schemas_as_nested_as_allowed_can_be_used(keyword: str) -> None:
    def around(one: Any) -> Any:
        forms = {"properties": {"a": one}, "anyOf": [one], "oneOf": [one]}
        return {keyword: forms.get(keyword, one)}

    made: list[Any] = []
    # A web server's threads have less of a stack than this one.
    threading.stack_size(512 * 1024)
    thread = threading.Thread(
        target=lambda: made.append(judge(nested(MAX_NESTED - 1, around, True))({}))
    )
    threading.stack_size(0)
    thread.start()
    thread.join()
    assert len(made) == 1


# --- what is judged as it was by the library before, or better


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"maximum": 2**64 - 2}, 2**64 - 2, 2**64 - 1),
        ({"minimum": -(2**63) + 1}, -(2**63) + 1, -(2**63)),
        ({"exclusiveMinimum": 0}, 5e-324, 0),
        ({"exclusiveMaximum": 1e300}, 1e299, 1e300),
        ({"multipleOf": 0.01}, 80.82, 80.825),
        ({"multipleOf": 0.01}, 1e300, 5e-324),
        ({"multipleOf": 2}, 2**64 - 2, 2**64 - 1),
        ({"type": "integer"}, 1.0, 1.5),
        ({"enum": [1, "a", None, [1, {"b": 2}]]}, [1.0, {"b": 2}], [True, {"b": 2}]),
        ({"enum": [1]}, 1.0, True),
        ({"const": False}, False, 0),
        ({"const": {"a": [], "b": 1}}, {"b": 1.0, "a": []}, {"b": 1}),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}], [{"a": 1}, {"a": 1.0}]),
        ({"uniqueItems": False}, [1, 1], ...),
        ({"minLength": 2}, "é😀", "😀"),
        ({"pattern": "b"}, "abc", "ac"),
        ({"minimum": 5, "multipleOf": 2, "uniqueItems": True}, "text", 4),
        ({"format": "email", "contentEncoding": "base64"}, "no address!", ...),
        ({"dependencies": {"b": ["c"]}, "unknown": 5}, {"b": 1}, ...),
        ({"not": {"required": ["b"]}}, {}, {"b": 1}),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 9, 3),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 0}}, 1, "a"),
        ({"anyOf": [inside(True)], "unevaluatedProperties": False}, {"a": 1}, {"c": 1}),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1], [1, 2]),
        ({"contains": {"type": "string"}, "maxContains": 1}, [1, "a"], ["a", "b"]),
    ],
)  # fmt: skip
def test_values_are_judged(schema: Any, valid: Any, invalid: Any) -> None:
    judged = judge(inside(schema))
    assert judged({"a": valid}) is None
    if invalid is not ...:
        assert str(judged({"a": invalid})).startswith("$.a")


# --- messages


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string"}, '$.a[1]: 5 is not of type "string"'),
        ({"enum": ["x", "y"]}, '$.a[1]: 5 is not one of ["x","y"]'),
        ({"minimum": 6}, "$.a[1]: 5 is less than the minimum of 6"),
        ({"anyOf": [{"const": 1}]}, '$.a[1]: 5 matches no schema of "anyOf"'),
        ({"oneOf": [True, True]}, '$.a[1]: 5 does not match exactly one schema of "oneOf"'),
        ({"not": True}, '$.a[1]: 5 matches the schema of "not"'),
    ],
)
def test_a_fault_is_told_with_its_place(schema: Any, told: str) -> None:
    assert judge(inside({"prefixItems": [True, schema]}))({"a": [1, 5]}) == told


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": {"minimum": 7, "type": "string"}},
        {"propertyNames": {"maxLength": 5}},
        {"additionalProperties": False},
        {"maxProperties": 0},
        {"const": "x" * 60_000},
        {"not": {"required": []}},
    ],
)
@pytest.mark.parametrize("length", [10, 60_000])
def test_a_message_is_short_however_long_the_event_is(schema: Any, length: int) -> None:
    told = judge(schema)({"k" * length: "v" * (62_000 - length)})
    assert told is None or (told.startswith("$") and len(told) <= 500)


def test_an_engine_that_fails_blames_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As the engine's own, which is out of reach."""

    def panicking(*_: Any) -> None:
        raise PanicException("index out of bounds")

    judged = judge({})
    monkeypatch.setattr(engine, "_fault", panicking)
    with pytest.raises(SchemaBroken, match="index out of bounds"):
        judged({})
