"""How long it takes to judge an event: a bounded time, whatever the schema."""

import random
import time

import pytest

from events.schemas.cost import MOST_SECONDS
from events.schemas.engine import judge
from tests.events.schemas.shapes import inside, items, nested, tried

LETTERS = "".join(random.Random(1).choices("ab", k=65_000))


def test_a_pattern_that_doubles_with_each_letter_is_answered_at_once() -> None:
    told = judge(inside({"pattern": "^(a+)+$"}))({"a": "a" * 60 + "!"})
    assert told == f'$.a: "{"a" * 60}!" does not match "^(a+)+$"'


_AT_THE_BOUND = {
    "a large pattern": (
        inside({"pattern": "(a|b|ab|ba|aba)*a(a|b|ab|ba|aba){99}[^ab]{4}"}),
        {"a": LETTERS},
    ),
    "patterns of keys": (
        {"patternProperties": {f"a[ab]{{{60 + n}}}[^ab]{{3}}": True for n in range(7)}},
        {LETTERS: 1},
    ),
    "a mixed array of unique items": (
        inside(tried({"uniqueItems": True}, 8)),
        {"a": [x for n in range(2_000) for x in (n, str(n), n + 0.5, [n])]},
    ),
    "unique integers that are one as a double": (
        inside(tried({"uniqueItems": True}, 8)),
        {"a": [2**63 + n for n in range(3_000)]},
    ),
    "unique nested arrays at every level": (
        {"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}, "uniqueItems": True},
        {"a": [[[[[[[n]]]]]] for n in range(3_400)]},
    ),
    "multiples of tiny numbers": (items(tried({"multipleOf": 0.01}, 11)), {"a": [5e-324] * 9_000}),
    "limits of tiny numbers": (items(tried({"minimum": 0.1}, 15)), {"a": [5e-324] * 9_000}),
    "a long choice of numbers": (
        items(tried({"enum": [n + 0.5 for n in range(4_000)]}, 1)),
        {"a": [5e-324] * 9_000},
    ),
    "a chain of unevaluated": (
        nested(4, lambda one: {"anyOf": [one], "unevaluatedProperties": True}, inside(True)),
        {f"k{n}": n for n in range(250)},
    ),
    "alternatives with many faults each": (
        inside({"anyOf": [{"items": {"required": [f"k{n}" for n in range(20)]}}] * 40}),
        {"a": [{}] * 21_000},
    ),
    "many keywords for each item": (
        items({"allOf": [{"type": "integer"}] * 280}),
        {"a": [0] * 32_000},
    ),
    "many names for each object": (
        items({"dependentRequired": {f"k{n}": ["x"] for n in range(900)}}),
        {"a": [{}] * 21_000},
    ),
    "the largest string": (inside({"minLength": 10**30, "maxLength": 1}), {"a": "é" * 32_000}),
}  # fmt: skip


@pytest.mark.parametrize("name", _AT_THE_BOUND)
def test_the_costliest_schemas_that_can_be_saved_are_done_in_time(name: str) -> None:
    schema, properties = _AT_THE_BOUND[name]
    judged = judge(schema)
    began = time.thread_time()
    judged(properties)
    # Ten times what is told, as a machine may be slow; without the bounds it takes minutes or more.
    assert time.thread_time() - began < 10 * MOST_SECONDS


def test_where_a_fault_takes_long_to_find_it_is_told_without_its_place() -> None:
    schema, properties = _AT_THE_BOUND["a large pattern"]
    assert "would take too long" in str(judge(schema)(properties))
