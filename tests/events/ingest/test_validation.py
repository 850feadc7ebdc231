"""What makes an event valid, and how an invalid one is told."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.format import inspection
from events.format.inspection import EventError, FieldError
from events.format.records import Record
from events.ingest.validation import NotJSON, TooManyEvents, WrongShape, validate
from tests.samples import event, moment


def error_of(sent: Any) -> EventError:
    """The error of the one bad event between two good ones."""
    checked = validate(json.dumps([event(), sent, event()]).encode())
    assert len(checked.records) == 2, "a bad event harmed its neighbours"
    [error] = checked.errors
    assert error.index == 1
    return error


def error_of_raw(text: str) -> EventError:
    good = json.dumps(event())
    checked = validate(f"[{good}, {text}, {good}]".encode())
    assert len(checked.records) == 2, "a bad event harmed its neighbours"
    [error] = checked.errors
    return error


def records_of(sent: Any) -> list[Record]:
    """Of the one event, by itself and between two good ones: events are checked together too."""
    [alone] = validate(json.dumps([sent]).encode()).records
    before, amid, after = validate(json.dumps([event(), sent, event()]).encode()).records
    assert len({before.event_id, amid.event_id, after.event_id}) == 3
    return [alone, amid]


def with_properties(text: str) -> str:
    return json.dumps(event(properties=0)).replace('"properties": 0', f'"properties": {text}')


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"event_id": ...}, "event_id", "required"),
        ({"event_id": "123"}, "event_id", "format"),
        ({"event_id": 5}, "event_id", "type"),
        ({"occurred_at": ...}, "occurred_at", "required"),
        ({"occurred_at": "2025-02-30T00:00:00Z"}, "occurred_at", "format"),
        ({"occurred_at": "yesterday"}, "occurred_at", "format"),
        ({"occurred_at": 1735689600}, "occurred_at", "type"),
        ({"occurred_at": "2025-01-01T00:00:00"}, "occurred_at", "offset"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at", "range"),
        ({"occurred_at": "9999-12-31T23:59:59.999999-23:59"}, "occurred_at", "range"),
        ({"occurred_at": "2025-12-31T23:59:60Z"}, "occurred_at", "format"),
        ({"occurred_at": "1969-12-31T23:59:59.999Z"}, "occurred_at", "range"),
        ({"occurred_at": moment(hours=-25)}, "occurred_at", "range"),
        ({"user_id": ...}, "user_id", "required"),
        ({"user_id": ""}, "user_id", "length"),
        ({"user_id": "x" * 201}, "user_id", "length"),
        ({"user_id": None}, "user_id", "type"),
        ({"user_id": 42}, "user_id", "type"),
        ({"user_id": "a\nb"}, "user_id", "control_character"),
        ({"user_id": "a\x85b"}, "user_id", "control_character"),
        ({"event_type": ...}, "event_type", "required"),
        ({"event_type": ""}, "event_type", "length"),
        ({"event_type": "\0"}, "event_type", "control_character"),
        ({"event_type": "\ud800"}, "event_type", "control_character"),
        ({"properties": []}, "properties", "type"),
        ({"properties": None}, "properties", "type"),
        ({"properties": "{}"}, "properties", "type"),
        ({"propertys": {}}, "propertys", "unknown_field"),
        ({"properties": {"a": "\0"}}, "properties", "nul"),
        ({"properties": {"\0": 1}}, "properties", "nul"),
        ({"properties": {"a": "\ud800"}}, "properties", "nul"),
        ({"properties": {"a": 2**64}}, "properties", "number"),
        ({"properties": {"a%2Eb": 1}}, "properties", "key"),
        ({"properties": {"a": [-(2**63) - 1]}}, "properties", "number"),
        ({"properties": {"a": "x" * 65536}}, "properties", "too_large"),
        ({"properties": {str(n): n for n in range(256)}}, "properties", "too_many_keys"),
        ({"properties": {"a": {str(n): n for n in range(255)}}}, "properties", "too_many_keys"),
        ({"properties": {"a": [[[[[[[[1]]]]]]]]}}, "properties", "too_deep"),
    ],
)
def test_a_broken_rule_is_named_and_harms_no_neighbour(
    changes: dict[str, Any], field: str, code: str
) -> None:
    error = error_of(event(**changes))
    assert (error.field, error.code) == (field, code)
    assert error.message


@pytest.mark.parametrize("sent", [5, None, "event", [], [event()]])
def test_what_is_no_object_is_no_event(sent: Any) -> None:
    assert (error_of(sent).field, error_of(sent).code) == (None, "type")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ('{"a": 1e400}', "number"),
        ('{"a": -1e400}', "number"),
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('{"a" : 1, "b": {"c": 1, "c" :2}}', "duplicate_key"),
        ('{"a": [{"b": 1, "b": 1}]}', "duplicate_key"),
        ('{"\\u0061": 1, "a": 2}', "duplicate_key"),
        ('{"a": [{"\\u0025\\u0032E": 1}]}', "key"),
        ('{"a%2\\u0045": 1}', "key"),
        ('{"a%\\u0032E": 1}', "key"),
        ('{"a\\u00252E": 1}', "key"),
        ('{"a": 18446744073709551616, "b": "\\u0045"}', "number"),
        ('{"a": -9223372036854775809, "b": "\\u0045"}', "number"),
        ('{"a": "x\\":", "a": 2}', "duplicate_key"),
        ('{"a": ' + "9" * 5000 + "}", "number"),
        ('{"a":' * 9 + "1" + "}" * 9, "too_deep"),
        ('{"a": ' + "[" * 900 + "]" * 900 + "}", "too_deep"),
    ],
)
def test_properties_no_engine_keeps_are_refused(properties: str, code: str) -> None:
    error = error_of_raw(with_properties(properties))
    assert (error.field, error.code) == ("properties", code)


@pytest.mark.parametrize(
    "properties",
    [
        "{}",
        '{"":1}',
        '{"a%2e":"%2E","\\u00e9":"\\u0032","%.2E":1}',
        '{"a":null,"b":[null],"c":{},"d":[]}',
        '{"a":18446744073709551615,"b":-9223372036854775808,"c":1.7976931348623157e308}',
        '{"a":18446744073709551615,"b":-9223372036854775808,"c":"\\u0045"}',
        '{"a":0.1234567890123456789,"b":1e5,"c":-0.0,"d":1.0}',
        '{"a.b":1,"a":{"b":2}}',
        '{"t":"2026-01-01","u":"\\ud83d\\ude00","v":"\\"a\\":","w":"\\\\u0000","x":"Привіт"}',
        '{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}',
    ],
)
def test_properties_are_kept_to_the_letter(properties: str) -> None:
    [record] = validate(f"[{with_properties(properties)}]".encode()).records
    assert bytes(record.properties_text).decode() == properties


@pytest.mark.parametrize("text", ["plain", "\\u0045"])
def test_as_many_keys_and_bytes_as_are_allowed_are_kept(text: str) -> None:
    keys = ",".join(f'"{n}":"{text}"' for n in range(255))
    long = f'{{"a":"{text}","b":"' + "x" * (64 * 1024 - 15 - len(text)) + '"}'
    assert len(long) == 64 * 1024
    for properties in (f"{{{keys}}}", long):
        [record] = validate(f"[{with_properties(properties)}]".encode()).records
        assert bytes(record.properties_text).decode() == properties


@pytest.mark.parametrize("number", ["1e308", "1E+0308", "2.2250738585072011e-308"])
@pytest.mark.parametrize("events", [1, 100])
def test_numbers_at_which_the_decoder_is_slow_do_not_make_it_slow(number: str, events: int) -> None:
    """It takes 14 µs for each, and meanwhile no other thread works."""

    def seconds(one: str) -> float:
        numbers = ",".join([one] * (60_000 // events // (len(one) + 1)))
        sent = f'{{"a":[{numbers}]}}'
        body = f"[{','.join([with_properties(sent)] * events)}]".encode()
        began = time.thread_time()
        records = validate(body).records
        taken = time.thread_time() - began
        assert {bytes(record.properties_text) for record in records} == {sent.encode()}
        return taken

    usual, slow = (min(seconds(one) for _ in range(3)) for one in ("1.5e10", number))
    assert slow < 20 * usual


def test_white_space_in_properties_is_dropped() -> None:
    text = with_properties('{ "a" :\n [1 , "x y\\n"] }')
    [record] = validate(f"[{text}]".encode()).records
    assert bytes(record.properties_text) == b'{"a":[1,"x y\\n"]}'


@pytest.mark.parametrize(
    "spelling", ["{}", "{{{}}}", "urn:uuid:{}"], ids=["plain", "braces", "urn"]
)
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda text: text.replace("-", "")])
def test_an_event_id_is_a_uuid_in_any_usual_spelling(spelling: str, change: Any) -> None:
    event_id = uuid.uuid4()
    sent = event(event_id=spelling.format(change(str(event_id))))
    assert {record.event_id for record in records_of(sent)} == {str(event_id)}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2025-01-31T23:30:00-01:00", "2025-02-01T00:30:00.000Z"),
        ("2025-01-31T12:00:00.123999Z", "2025-01-31T12:00:00.123Z"),
        ("2025-01-31T12:00:00.1239999Z", "2025-01-31T12:00:00.123Z"),  # .NET
        ("2025-01-31T12:00:00.123456789Z", "2025-01-31T12:00:00.123Z"),  # Go, Java
        ("2025-12-31T23:59:59.9999999Z", "2025-12-31T23:59:59.999Z"),
        ("2025-12-31T23:59:59.999999999+01:00", "2025-12-31T22:59:59.999Z"),
        ("2025-01-31 12:00:00+0200", "2025-01-31T10:00:00.000Z"),
        ("20250131T120000Z", "2025-01-31T12:00:00.000Z"),
        ("2025-W05-5T12:00Z", "2025-01-31T12:00:00.000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_time_is_kept_to_the_millisecond_in_utc(sent: str, kept: str) -> None:
    assert {record.occurred_at for record in records_of(event(occurred_at=sent))} == {kept}


@pytest.mark.parametrize(
    "text", [r"2025-12-31T23:59:59.99999\u003999Z", r"2025-12-31T23:59:59\u002E9999999Z"]
)
def test_time_is_kept_so_however_json_spells_it(text: str) -> None:
    [record] = validate(json.dumps([event(occurred_at="@")]).replace("@", text).encode()).records
    assert record.occurred_at == "2025-12-31T23:59:59.999Z"


def test_names_may_be_long_and_in_any_script() -> None:
    for name in ("x" * 200, "Олена", "a\u200db", "\U0001f600", "back\\slash", "q'uote\""):
        [record] = validate(json.dumps([event(user_id=name)]).encode()).records
        assert record.user_id == name


def test_a_bare_array_and_an_object_of_events_are_the_same() -> None:
    sent = [event(), event()]
    bare = validate(json.dumps(sent).encode()).records
    wrapped = validate(json.dumps({"events": sent}).encode()).records
    assert bare == wrapped
    assert len(bare) == 2


@pytest.mark.parametrize("body", [b"", b"{", b"[1,]", b"\xff", b"events", b'[{"a":NaN}]'])
def test_what_is_not_json_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(NotJSON):
        validate(body)


@pytest.mark.parametrize("body", [b"5", b'"x"', b"{}", b'{"event":[]}', b'{"events":{}}', b"null"])
def test_json_of_another_shape_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(WrongShape):
        validate(body)


def test_ten_thousand_events_are_taken_and_one_more_is_not() -> None:
    one = json.dumps(event())
    assert len(validate(f"[{','.join([one] * 10_000)}]".encode()).records) == 10_000
    with pytest.raises(TooManyEvents):
        validate(f"[{','.join([one] * 10_001)}]".encode())
    with pytest.raises(TooManyEvents):
        validate(f"[{','.join(['5'] * 10_001)}]".encode())


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(['":', '"', "\\", "\\u0000", "\0", "\ud800", "2026-01-01", "a.b"]),
)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)

_fractions = st.text("09", max_size=12).map(lambda digits: digits and f".{digits}")
_moments = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    datetime(2020, 1, 1),
    datetime(2026, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)

_written = st.builds(
    lambda moment, fraction, zone: f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{zone}",
    st.sampled_from([datetime(2025, 12, 31, 23, 59, 59), datetime(1970, 1, 1)]),
    _fractions,
    st.sampled_from(["Z", "z", "-00:00", "+05:30"]),
)


@given(
    properties=_json | st.dictionaries(st.text(max_size=5), _json),
    user_id=st.text(max_size=201),
    at=_moments.map(datetime.isoformat) | _written | st.text(max_size=30),
    ascii_only=st.booleans(),
)
def test_the_fast_path_and_the_careful_look_agree(
    properties: Any, user_id: str, at: str, ascii_only: bool
) -> None:
    sent = event(properties=properties, user_id=user_id, occurred_at=at)
    try:
        raw = json.dumps(sent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        raw = json.dumps(sent).encode()
    neighbour = json.dumps(event(properties={"a": [1, {}]})).encode()
    alone, amid = validate(b"[" + raw + b"]"), validate(b"[" + neighbour + b"," + raw + b"]")
    expected, field = careful(raw)
    kept = [msgspec.json.encode(careful(neighbour)[0])]
    if expected is None:
        assert not alone.records
        assert {field or error.field for error in (*alone.errors, *amid.errors)} == {
            alone.errors[0].field
        }
    else:
        kept.append(msgspec.json.encode(expected))
        assert [*map(msgspec.json.encode, alone.records)] == kept[1:]
    assert [*map(msgspec.json.encode, amid.records)] == kept


def careful(raw: bytes) -> tuple[Record | None, str | None]:
    """The record, or the field for which there is none."""
    try:
        return inspection.inspect(raw, latest=datetime.now(UTC) + timedelta(hours=24)), None
    except FieldError as error:
        return None, error.field
