"""A row has the fate of the same event over HTTP, on the fast path as on the careful one."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.format.inspection import EARLIEST, LATEST_AHEAD, FieldError
from events.format.records import Record, timestamp
from events.ingest.validation import NotJSON, validate
from importer.mapping.columns import Fields
from importer.running.rows import all_plain, check, inspect, plain

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATEST = NOW + LATEST_AHEAD
ID = "7ecb6b56-6c2f-5606-b427-afc2a83b5247"
ROW: Fields = (ID, "2026-01-01T00:00:00.123Z", "u1", "click", '{"a": 1}')
STORED = Record(ID, "2026-01-01T00:00:00.123Z", "u1", "click", msgspec.Raw(b'{"a":1}'))


def row(**changes: str) -> Fields:
    names = ("event_id", "occurred_at", "user_id", "event_type", "properties")
    event_id, occurred_at, user_id, event_type, properties = (
        changes.get(name, value) for name, value in zip(names, ROW, strict=True)
    )
    return event_id, occurred_at, user_id, event_type, properties


ids = st.uuids().map(str) | st.sampled_from(
    [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", ID[:-1], ID + "\n", "", "x"]
)
days = st.integers(-1, (NOW - EARLIEST).days + 3).map(timedelta)
moments = st.builds(lambda day, part: EARLIEST + day * part, days, st.floats(0, 1))
times = st.one_of(
    moments.map(timestamp),
    moments.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
    moments.map(datetime.isoformat),
    st.from_regex(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.,]\d{3,9})?"
        r"( ?(Z|z|UTC|[+-]\d\d(:?\d\d)?))?",
        fullmatch=True,
    ),
    st.sampled_from(["2026-W04-5T01:42:16.994Z", "20260130T014216Z", "2026-01-30", "", "soon"]),
)
names = st.text(max_size=6) | st.text(st.characters(codec="utf-8"), max_size=210)
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 2**64])
trees = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)
objects = st.dictionaries(st.text(max_size=3), trees, max_size=4)
properties = st.one_of(
    objects.map(json.dumps),
    objects.map(lambda value: json.dumps(value, indent=1, ensure_ascii=False)),
    st.text(max_size=10),
    st.sampled_from(
        [
            *("", " ", "{}", "{} x", "[]", '{"a":1,"a":2}', '{"\\u0061":1,"a":2}', '{"a":1e400}'),
            *('{"a":"\\ud800"}', '{"a":"\\u0000"}', '{"a":"\\":"}', '{"a":' * 8 + "{}" + "}" * 8),
        ]
    ),
)
rows = st.tuples(ids, times, names, names, properties)


@given(rows)
def test_the_fast_path_vouches_only_for_what_the_careful_one_would_store(fields: Fields) -> None:
    record = plain(fields, timestamp(LATEST))
    if record is not None:
        assert record == inspect(fields, latest=LATEST)


parts = st.sampled_from(
    [
        *("", " {} ", "{}\n{}", "\n", "{}", '{"a":1}', "1", '"a"', "null", '{"a":"é"}'),
        *('{"a":1,"a":2}', '{"\\":":1}', '{"%2E":1}', '{"a":"%2E"}', '{"a":18446744073709551616}'),
        *('{"\\u0061":"\\u0022:"}', '{"a":"\\u0000"}', '{"a":"' + "é" * 33_000 + '"}'),
        *('{"a":' * 8 + "{}" + "}" * 8, json.dumps(dict.fromkeys(map(str, range(256))))),
    ]
)
usual = st.builds(lambda properties: row(properties=properties), parts | properties)


@given(st.lists(rows | usual | st.just(ROW), max_size=5))
def test_rows_together_have_the_fate_of_each(several: list[Fields]) -> None:
    together = all_plain(several, timestamp(LATEST))
    if together is not None:
        assert together == [plain(fields, timestamp(LATEST)) for fields in several]
    checked = check(several, latest=LATEST)
    one_by_one = [check([fields], latest=LATEST) for fields in several]
    assert checked.records == [record for one in one_by_one for record in one.records]
    assert [error.index for error in checked.errors] == [
        index for index, one in enumerate(one_by_one) if one.errors
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ('{"a":1', '"b":2}', "{},{}"),
        ('{"a":1,', '"b":2}', "{} {}"),
        ('{"a":[', "]}", "{}\n{}"),
        ("{},{}", " "),
        ("1", '"a"'),
        ('{"a":1,"a":2}', '{"a":"\\":","a":2}'),
        ('{"a":"' + "é" * 33_000 + '"}',),
        (json.dumps(dict.fromkeys(map(str, range(256)))),),
    ],
)
def test_texts_that_are_wrong_do_not_make_up_for_each_other(texts: tuple[str, ...]) -> None:
    several = [row(properties=text) for text in texts]
    assert all_plain(several, timestamp(LATEST)) is None
    assert len(check(several, latest=LATEST).errors) == len(texts)


def test_usual_rows_are_checked_together() -> None:
    several = [ROW, row(properties=""), row(occurred_at="2026-01-01T00:00:00Z"), row(user_id="é")]
    assert all_plain(several, timestamp(LATEST)) == check(several, latest=LATEST).records


@given(rows)
def test_a_row_has_the_fate_of_the_same_event_over_http(fields: Fields) -> None:
    checked = check([fields], latest=LATEST)
    raw = fields[4].encode("utf-8", "surrogatepass")
    event_id, occurred_at, user_id, event_type = (json.dumps(text) for text in fields[:4])
    body = (
        (
            f'[{{"event_id":{event_id},"occurred_at":{occurred_at},"user_id":{user_id},'
            f'"event_type":{event_type},"properties":'
        ).encode()
        + (raw or b"{}")
        + b"}]"
    )
    try:
        over_http = validate(body, now=NOW)
    except NotJSON:
        assert not checked.records
        return
    assert checked.records == over_http.records
    assert len(checked.errors) == len(over_http.errors)


@pytest.mark.parametrize(
    "fields",
    [
        ROW,
        row(occurred_at="2026-01-01T00:00:00Z"),
        row(occurred_at="2026-01-01T00:00:00.123456Z"),
        row(occurred_at="2026-01-01T00:00:00.123456789+00:00"),
        row(properties=""),
        row(properties='{"a": {"b": [1, "é", null, 1.5]}}'),
    ],
)
def test_rows_as_they_usually_are_take_the_fast_path(fields: Fields) -> None:
    assert plain(fields, timestamp(LATEST)) is not None


@pytest.mark.parametrize(
    "fields",
    [
        ROW,
        row(event_id=ID.upper()),
        row(event_id=ID.replace("-", "")),
        row(event_id=f"{{{ID}}}"),
        row(occurred_at="2026-01-01T00:00:00.123999Z"),
        row(occurred_at="2026-01-01 02:00:00.123+02:00"),
        row(properties='{\r\n  "a": 1\r\n}'),
    ],
)
def test_every_allowed_spelling_is_stored_the_same(fields: Fields) -> None:
    assert check([fields], latest=LATEST).records == [STORED]


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        (row(event_id=""), "event_id", "format"),
        (row(occurred_at="2026-02-30T00:00:00Z"), "occurred_at", "format"),
        (row(occurred_at="2026-01-01T00:00:00"), "occurred_at", "offset"),
        (row(occurred_at="1969-12-31T23:59:59Z"), "occurred_at", "range"),
        (row(occurred_at=timestamp(LATEST + timedelta(seconds=1))), "occurred_at", "range"),
        (row(user_id=""), "user_id", "length"),
        (row(user_id="u" * 201), "user_id", "length"),
        (row(event_type="a\tb"), "event_type", "control_character"),
        (row(user_id="Jos\udce9"), "user_id", "encoding"),
        (row(properties='{"a":"Jos\udce9"}'), "properties", "encoding"),
        (row(properties="{'a': 1}"), "properties", "json"),
        (row(properties="NULL"), "properties", "json"),
        (row(properties="[1]"), "properties", "type"),
        (row(properties='{"a":1,"a":2}'), "properties", "duplicate_key"),
        (row(properties="[" * 100_000), "properties", "too_deep"),
    ],
)
def test_the_error_names_the_field_and_the_rule(fields: Fields, field: str, code: str) -> None:
    checked = check([ROW, fields, ROW], latest=LATEST)
    assert checked.records == [STORED, STORED]
    [error] = checked.errors
    assert (error.index, error.field, error.code) == (1, field, code)


def test_the_last_millisecond_allowed_is_allowed_on_both_paths() -> None:
    latest = LATEST + timedelta(microseconds=1500)
    just, over = timestamp(latest), timestamp(latest + timedelta(milliseconds=1))
    for text, allowed in ((just, True), (over, False)):
        assert (plain(row(occurred_at=text), timestamp(latest)) is not None) is allowed
        if allowed:
            assert inspect(row(occurred_at=text), latest=latest).occurred_at == text
        else:
            with pytest.raises(FieldError):
                inspect(row(occurred_at=text), latest=latest)
