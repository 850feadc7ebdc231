"""The grammar of segments: what an expression means, and what is refused."""

import re
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.segments.expressions import (
    MAX_CONDITIONS,
    Comparison,
    Did,
    Field,
    InvalidSegment,
    Place,
    Saved,
)
from analytics.segments.parsing import (
    MAX_GROUPS,
    MAX_LENGTH,
    PATTERN,
    parse_segments,
    parse_text,
)
from analytics.segments.translating import Condition, Scope, condition
from tests.analytics import said

EVENT_TYPE, USER_ID = Field("event_type"), Field("user_id")
SCOPE = Scope("UTC", date(2026, 1, 31), is_rolled_up=True)


def prop(*path: str) -> Field:
    return Field("properties", path)


def parsed(text: str) -> Any:
    """The only condition of a text."""
    [[term]] = parse_segments([text]).groups
    return term


def translated(*texts: str) -> Condition:
    return condition(parse_segments(texts), SCOPE)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("event_type:purchase", Comparison(EVENT_TYPE, "is", ("purchase",))),
        ("event_type=purchase", Comparison(EVENT_TYPE, "is", ("purchase",))),
        ("user_id:a:b=c", Comparison(USER_ID, "is", ("a:b=c",))),
        ("user_id=:", Comparison(USER_ID, "is", (":",))),
        ("user_id:properties.a:1", Comparison(USER_ID, "is", ("properties.a:1",))),
        (r"user_id:a\b", Comparison(USER_ID, "is", (r"a\b",))),
        ("properties.country:UA", Comparison(prop("country"), "is", ("UA",))),
        ("properties.page.section=news", Comparison(prop("page", "section"), "is", ("news",))),
        ("properties.empty:", Comparison(prop("empty"), "is", ("",))),
        ("properties.:x", Comparison(prop(""), "is", ("x",))),
        ("properties.a..b:x", Comparison(prop("a", "", "b"), "is", ("x",))),
        (r"properties.a\.b.c:x", Comparison(prop("a.b", "c"), "is", ("x",))),
        (r"properties.a\:b\=c\\:x", Comparison(prop("a:b=c\\"), "is", ("x",))),
        ("properties.ключ :значення", Comparison(prop("ключ "), "is", ("значення",))),
        ("properties.q`'\":x", Comparison(prop("q`'\""), "is", ("x",))),
        ("properties.a.b.c.d.e.f.g.h:x", Comparison(prop(*"abcdefgh"), "is", ("x",))),
    ],
)
def test_an_expression_is_field_path_and_value(text: str, segment: Comparison) -> None:
    assert parsed(text) == segment


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
    assert refused.value.place == Place("segment", 2)


def test_at_most_ten_segments_are_taken() -> None:
    assert len(parse_segments(["user_id:u"] * 10).groups) == 10
    with pytest.raises(InvalidSegment, match="segment 11: at most 10") as refused:
        parse_segments(["user_id:u"] * 12)
    assert refused.value.place == Place("segment", 11)


def test_a_segment_may_be_as_long_as_is_said() -> None:
    longest = "user_id:".ljust(MAX_LENGTH, "x")
    assert len(parsed(longest).values[0]) == MAX_LENGTH - len("user_id:")
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
    bound = {
        name.removeprefix("segment_1_")
        for name in translated(f"properties.x:{value}").parameters
        if not name.endswith("_column")
    }
    assert bound == {name.lower() for name in types}


def test_nothing_of_the_input_becomes_sql() -> None:
    hostile = "x'`\"; DROP TABLE events --"
    fields = ["event_type", "user_id", f"properties.{hostile}", "properties.x"]
    texts = [f"{field}:{hostile}" for field in fields]
    texts += [
        f"{name}({field}):{hostile}" for name in ("not", "in", "contains") for field in fields
    ]
    texts += [f"match({fields[2]}):{hostile}", f"unset({fields[2]})", f"did({hostile},n>=2,7d)"]
    for text in texts:
        assert "DROP" not in translated(text).sql, text


def test_no_segments_hold_for_every_event() -> None:
    assert condition(parse_segments([]), SCOPE).sql == "1"


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("not(event_type):a", Comparison(EVENT_TYPE, "is", ("a",), negated=True)),
        ("in(user_id)=a,b", Comparison(USER_ID, "is", ("a", "b"))),
        ("notin(properties.a):x,", Comparison(prop("a"), "is", ("x", ""), negated=True)),
        (r"in(properties.a):x\,y,\\,z", Comparison(prop("a"), "is", ("x,y", "\\", "z"))),
        ("not(properties.a):", Comparison(prop("a"), "is", ("",), negated=True)),
        (r"not(properties.a\.b\:).c):d", Comparison(prop("a.b:)", "c"), "is", ("d",), True)),
        ("not(properties.a)):b)", Comparison(prop("a)"), "is", ("b)",), negated=True)),
        ("contains(properties.url):a:b=c", Comparison(prop("url"), "contains", ("a:b=c",))),
        ("icontains(user_id):Ü", Comparison(USER_ID, "icontains", ("Ü",))),
        (r"match(properties.a):^\d+(,\d+)*$", Comparison(prop("a"), "match", (r"^\d+(,\d+)*$",))),
        ("gt(properties.a):-1.5e3", Comparison(prop("a"), "gt", ("-1.5e3",))),
        ("ge(properties.a):1e308", Comparison(prop("a"), "ge", ("1e308",))),
        ("lt(properties.a):0", Comparison(prop("a"), "lt", ("0",))),
        ("le(properties.a)=1e-400", Comparison(prop("a"), "le", ("1e-400",))),
        ("set(properties.a.b)", Comparison(prop("a", "b"), "set")),
        (r"unset(properties.a\=))", Comparison(prop("a=)"), "set", negated=True)),
        ("set(user_id)", Comparison(USER_ID, "set")),
        ("did(purchase)", Did("purchase")),
        ("did(a:b (c),n>=3,90d)", Did("a:b (c)", 3, 90)),
        (r"didnot(a\,b\\,7d,n>=2)", Did("a,b\\", 2, 7, negated=True)),
        ("saved(a):b, c)", Saved("a):b, c")),
    ],
)
def test_an_operator_stands_before_its_field(text: str, term: Any) -> None:
    assert parsed(text) == term


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Not(user_id):a", r"no operator Not; there are not, in, .* saved \(at character 1\)"),
        ("event_type(a):b", "no operator event_type"),
        ("not(country):a", r"the field must be .* \(at character 5\)"),
        ("not(user_id:a", r"expected \) before : \(at character 12\)"),
        ("not(user_id)", r"expected not\(field\):value \(at character 13\)"),
        ("not(user_id) :a", r"expected \) before : \(at character 14\)"),
        (r"not(properties.a\)):b", r"may only stand before .* \(at character 17\)"),
        ("not(user_id):", r"user_id needs a value \(at character 14\)"),
        ("in(event_type):a,,b", r"event_type needs a value \(at character 18\)"),
        (r"in(properties.a):C:\x", r"before , or .* \(at character 20\)"),
        ("contains(properties.a):", "needs a value"),
        ("match(properties.a):", "needs a value"),
        ("match(properties.a):" + "x" * 501, r"at most 500 characters \(at character 521\)"),
        ("gt(properties.a):", "needs a number"),
        ("gt(properties.a):1e400", "needs a number"),
        ("gt(properties.a):NaN", "needs a number"),
        ("gt(properties.a): 1", "needs a number"),
        ("gt(properties.a):0x1", "needs a number"),
        ("gt(properties.a):" + "9" * 10_000, "needs a number"),
        ("set(properties.a):x", r"set\(…\) must end with \) and takes no value"),
        ("set(properties.a", "must end with"),
        ("set(properties.a:b)", r"takes no value; in a key, write .: \(at character 17\)"),
        ("set()", "the field must be"),
        ("did()", "needs an event type"),
        ("did(,n>=3)", "needs an event type"),
        ("did(a,b)", r"takes n>=3 and 90d.* \(at character 7\)"),
        ("did(a,n>=0)", "from 1 to 1000000"),
        ("did(a,n>=1000001)", "from 1 to 1000000"),
        ("did(a,0d)", "from 1 to 36600"),
        ("did(a,n>=2,n>=3)", r"takes n>=3 and 90d.* \(at character 12\)"),
        ("did(a,1d,2d)", "takes n>=3 and 90d"),
        ("did(a):3", "must end with"),
        ("saved()", "needs a name"),
        ("saved(a", "must end with"),
        ("not(" + "properties" + ".a" * 9 + "):x", "at most 8 keys"),
        ("not(not(user_id)):a", "the field must be"),
    ],
)
def test_a_wrong_operator_is_refused_with_the_character(text: str, complaint: str) -> None:
    with pytest.raises(InvalidSegment, match=f"^segment 1: .*{complaint}"):
        parse_segments([text])


def test_groups_of_alternatives_are_read_and_their_faults_found() -> None:
    both = parse_segments(["user_id:a"], {"or.7": ["event_type:b", "set(properties.c)"]})
    assert [len(group) for group in both.groups] == [1, 2]
    with pytest.raises(InvalidSegment, match=r"^alternative 2: expected field:value") as refused:
        parse_segments([], {"or.7": ["user_id:a", "x"]})
    assert refused.value.place == Place("or.7", 2)


def test_the_number_of_conditions_is_bounded() -> None:
    ten = ["user_id:a"] * 10
    full = {f"or.{n}": ten for n in range(1, 5)}
    assert len([*parse_segments(ten, full).conditions()]) == MAX_CONDITIONS
    with pytest.raises(InvalidSegment, match="at most 50 conditions") as refused:
        parse_segments(ten, {**full, "or.5": ["user_id:b"]})
    assert refused.value.place == Place("or.5", 1)
    with pytest.raises(InvalidSegment, match="alternative 11: at most 10 alternatives"):
        parse_segments([], {"or.1": [*ten, "user_id:b"]})
    many = {f"or.{n}": ["user_id:a"] for n in range(1, MAX_GROUPS + 2)}
    with pytest.raises(InvalidSegment, match="at most 10 groups") as refused:
        parse_segments([], many)
    assert refused.value.place.parameter == "or.11"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "text: it is empty"),
        ("user_id:a", "'user_id:a' is no part of a segment"),
        ("from=2026-01-01&segment=user_id:a", "'from' is no part of a segment"),
        ("or.0=user_id:a", "'or.0' is no part"),
        ("segment=user_id:a&segment=user_id", "segment 2: expected field:value"),
        ("segment=user_id:%FF", "text: it is not UTF-8"),
        ("segment=user_id:%00", "NUL"),
        ("segment=user_id:a" + "&segment=user_id:a" * 10, "at most 10 segments"),
        ("segment=user_id:" + "x" * MAX_LENGTH, "text: longer than"),
    ],
)
def test_a_wrong_text_of_a_saved_segment_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidSegment, match=complaint):
        parse_text(text)


@given(
    st.lists(said.segments, max_size=5), st.lists(st.lists(said.segments, min_size=1), max_size=3)
)
def test_a_text_says_the_same_as_its_parts(
    alone: list[said.Said], groups: list[list[said.Said]]
) -> None:
    parts = [("segment", it.text) for it in alone]
    parts += [(f"or.{n}", it.text) for n, group in enumerate(groups, start=1) for it in group]
    together = {f"or.{n}": [it.text for it in group] for n, group in enumerate(groups, start=1)}
    if parts and all(len(group) <= 10 for group in groups):
        expected = parse_segments([it.text for it in alone], together)
        assert parse_text(urlencode(parts)) == expected
        assert len([*expected.conditions()]) == len(parts)


TERMS = st.one_of(
    st.builds(
        Comparison,
        st.one_of(
            st.sampled_from([EVENT_TYPE, USER_ID]),
            st.lists(st.text(max_size=5), min_size=1, max_size=8).map(lambda it: prop(*it)),
        ),
        st.just("is"),
        st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(
        Did,
        st.text(min_size=1, max_size=5),
        st.integers(1, 1_000_000),
        st.none() | st.integers(1, 36_600),
        st.booleans(),
    ),
    st.builds(Saved, st.text(min_size=1, max_size=5)),
).filter(lambda it: "\0" not in repr(it).replace("\\x00", "\0"))


def write(term: Any) -> str:
    if isinstance(term, Saved):
        return f"saved({term.name})"
    if isinstance(term, Did):
        window = f",{term.days}d" if term.days else ""
        name = "didnot" if term.negated else "did"
        return f"{name}({said.listed([term.event_type])},n>={term.times}{window})"
    name = said.written(term.field.path) if term.field.path else term.field.name
    return f"{'notin' if term.negated else 'in'}({name}):{said.listed(term.values)}"


@given(TERMS)
def test_what_is_written_is_read_as_it_was_meant(term: Any) -> None:
    assert parsed(write(term)) == term


_PIECES = [
    *("event_type", "user_id", "properties", ".a", ":", "=", ".", "\\", "\n", "é", ")"),
    *("not(", "in(", "set(", "did(", "saved(", "gt(", "1", ",", "n>=2"),
]
# What a pattern can't say: what stands in a list, and which numbers there are.
_BEYOND = "before , or|needs a number|needs a value|takes n>=3|from 1 to|needs an event type"


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_the_pattern_of_the_openapi_document_matches_what_is_taken(text: str) -> None:
    complaint = ""
    try:
        parse_segments([text])
    except InvalidSegment as error:
        complaint = str(error)
    matches = re.fullmatch(PATTERN, text) is not None
    assert matches or complaint
    assert not matches or not complaint or re.search(_BEYOND, complaint)


@given(st.text(max_size=30) | st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidSegment):
        parse_segments([text])
    with suppress(InvalidSegment):
        parse_text(text)
