"""The grammar of segments: what an expression means, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.segments import (
    MAX_LENGTH,
    PATTERN,
    InvalidSegment,
    Segment,
    condition,
    parse_segments,
)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("event_type:purchase", Segment("event_type", "purchase")),
        ("event_type=purchase", Segment("event_type", "purchase")),
        ("user_id:a:b=c", Segment("user_id", "a:b=c")),
        ("user_id=:", Segment("user_id", ":")),
        ("user_id:properties.a:1", Segment("user_id", "properties.a:1")),
        (r"user_id:a\b", Segment("user_id", r"a\b")),
        ("properties.country:UA", Segment("properties", "UA", ("country",))),
        ("properties.page.section=news", Segment("properties", "news", ("page", "section"))),
        ("properties.empty:", Segment("properties", "", ("empty",))),
        ("properties.:x", Segment("properties", "x", ("",))),
        ("properties.a..b:x", Segment("properties", "x", ("a", "", "b"))),
        (r"properties.a\.b.c:x", Segment("properties", "x", ("a.b", "c"))),
        (r"properties.a\:b\=c\\:x", Segment("properties", "x", ("a:b=c\\",))),
        ("properties.ключ :значення", Segment("properties", "значення", ("ключ ",))),
        ("properties.q`'\":x", Segment("properties", "x", ("q`'\"",))),
        ("properties.a.b.c.d.e.f.g.h:x", Segment("properties", "x", tuple("abcdefgh"))),
    ],
)
def test_an_expression_is_field_path_and_value(text: str, segment: Segment) -> None:
    assert parse_segments([text]) == [segment]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected field:value"),
        ("country", "expected field:value"),
        ("country:UA", "the field must be"),
        ("Event_type:x", "the field must be"),
        ("event_type.x:y", "the field must be"),
        (":x", "the field must be"),
        ("properties:x", "the field must be"),
        ("event_type:", "event_type needs a value"),
        ("user_id=", "user_id needs a value"),
        (r"properties.a\n:x", "a backslash may only stand before"),
        ("properties.a\\", "a backslash may only stand before"),
        ("properties.a.b.c.d.e.f.g.h.i:x", "at most 8 keys"),
        ("properties" + ".a" * 100 + ":x", "at most 8 keys"),
        ("user_id:a\0b", "NUL"),
        ("user_id:\ud800", "lone surrogate"),
        ("user_id:" + "x" * 20_000, "longer than"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InvalidSegment, match=complaint) as refused:
        parse_segments(["user_id:u1", text])
    assert refused.value.position == 2


def test_at_most_ten_segments_are_taken() -> None:
    assert len(parse_segments(["user_id:u"] * 10)) == 10
    with pytest.raises(InvalidSegment, match="segment 11: at most 10") as refused:
        parse_segments(["user_id:u"] * 12)
    assert refused.value.position == 11


def test_a_segment_may_be_as_long_as_is_said() -> None:
    longest = "user_id:".ljust(MAX_LENGTH, "x")
    assert len(parse_segments([longest])[0].value) == MAX_LENGTH - len("user_id:")
    with pytest.raises(InvalidSegment, match=f"longer than {MAX_LENGTH}"):
        parse_segments([longest + "x"])


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("UA", {"String"}),
        ("true", {"String", "Bool"}),
        ("True", {"String"}),
        ("42", {"String", "Int64", "Float64"}),
        ("2.0", {"String", "Int64", "Float64"}),
        ("1e3", {"String", "Int64", "Float64"}),
        ("11.77", {"String", "Float64"}),
        ("-9223372036854775808", {"String", "Int64", "Float64"}),
        ("-9223372036854775809", {"String", "Float64"}),
        ("9223372036854775807", {"String", "Int64", "Float64"}),
        ("9223372036854775808", {"String", "UInt64", "Float64"}),
        ("18446744073709551615", {"String", "UInt64", "Float64"}),
        ("18446744073709551616", {"String", "Float64"}),
        ("123456789012345678901234", {"String", "Float64"}),
        ("1e400", {"String"}),
        ("1e999999999", {"String"}),
        ("9" * 10_000, {"String"}),
        ("007", {"String"}),
        ("+1", {"String"}),
        ("NaN", {"String"}),
        ("٤٢", {"String"}),
    ],
)
def test_a_value_is_compared_as_each_type_that_may_hold_it(value: str, types: set[str]) -> None:
    (segment,) = parse_segments([f"properties.x:{value}"])
    compared = condition([segment])
    bound = {
        name.removeprefix("segment_0_")
        for name in compared.parameters
        if not name.endswith("_column")
    }
    assert bound == {name.lower() for name in types}


def test_nothing_of_the_input_becomes_sql() -> None:
    hostile = "x'`\"; DROP TABLE events --"
    texts = [f"event_type:{hostile}", f"user_id:{hostile}", f"properties.{hostile}:{hostile}"]
    assert "DROP" not in condition(parse_segments(texts)).sql


def test_no_segments_hold_for_every_event() -> None:
    assert condition([]).sql == "1"


_PIECES = ["event_type", "user_id", "properties", ".a", ":", "=", ".", "\\", "\n", "é"]


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_the_pattern_of_the_openapi_document_matches_what_is_taken(text: str) -> None:
    try:
        parse_segments([text])
        is_taken = True
    except InvalidSegment:
        is_taken = False
    assert (re.fullmatch(PATTERN, text) is not None) == is_taken
