"""Columns of other names, constants, made-up ids, and the exports of other tools."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics import clickhouse as engine
from importer.mapping import mapper
from tests.importer.running.test_import_events import import_events, refused

pytestmark = pytest.mark.usefixtures("stores")

ID = "0191f5a0-0000-7000-8000-000000000001"


def stored() -> list[tuple[str, str, str, str, Any]]:
    columns = "toString(event_id), occurred_at, user_id, event_type, properties_text"
    rows = engine.query(f"SELECT {columns} FROM events ORDER BY occurred_at, event_type")
    return [(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def imported(path: Path, text: str, *options: str) -> list[tuple[str, str, str, str, Any]]:
    path.write_text(text)
    import_events(path, *options)
    return stored()


def test_columns_are_renamed_set_and_put_into_properties(tmp_path: Path) -> None:
    text = f"uuid;When;who;Country;Plan\n{ID};2025-01-06T12:00:00+02:00;u1;UA;\n"
    options = ["event_id=uuid", "occurred_at=When", "user_id=who", "properties.land=Country"]
    maps = [word for option in options for word in ("--map", option)]
    constants = ["--set", "event_type=visit", "--set", "properties.source=old"]
    [row] = imported(tmp_path / "a.csv", text, *maps, *constants, "--rest", "properties")
    properties = {"land": "UA", "source": "old"}
    assert row == (ID, "2025-01-06 10:00:00.000", "u1", "visit", properties)


def test_ids_are_made_of_columns_and_are_always_the_same(tmp_path: Path) -> None:
    text = "at,who,n\n1767225600,u1,1\n1767225600,u1,2\n1767225601,u1,\n"
    options = [
        *("--map", "occurred_at=at", "--map", "user_id=who", "--set", "event_type=x"),
        *("--id-from", "at,who", "--time", "s", "--rest", "properties"),
    ]
    rows = imported(tmp_path / "a.csv", text, *options)
    assert [row[4] for row in rows] == [{"n": "1"}, {}]
    assert all(UUID(row[0]).version == 5 for row in rows)
    lines = '{"at": 1767225600, "who": "u1", "n": 1}\n'
    assert imported(tmp_path / "a.ndjson", lines, *options) == rows


VISITS = ("--map", "occurred_at=at", "--map", "user_id=who", "--time", "s", "--rest", "properties")


def test_what_is_only_part_of_an_id_is_a_property_too(tmp_path: Path) -> None:
    text = "at,who,page\n1767225600,u1,/a\n1767225600,u1,/b\n"
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who,page"]
    pages = {row[4]["page"] for row in imported(tmp_path / "a.csv", text, *options)}
    assert pages == {"/a", "/b"}


def test_what_is_set_may_be_part_of_an_id(tmp_path: Path) -> None:
    text = "at,who\n1767225600,u1\n"
    for name in ("visit", "purchase"):
        options = [*VISITS, "--set", f"event_type={name}", "--id-from", "at,who,event_type"]
        rows = imported(tmp_path / f"{name}.csv", text, *options)
    assert {row[3] for row in rows} == {"visit", "purchase"}


def test_what_is_set_alone_makes_no_id(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,who,order\n1767225600,u1,\n1767225601,u2,\n1767225602,u3,7\n")
    options = [*VISITS, "--set", "event_type=x"]
    assert "besides what is set" in refused(path, *options, "--id-from", "event_type")[1]
    printed, complaints = import_events(path, *options, "--id-from", "order,event_type")
    assert "read 3, stored 1, duplicate 0, bad 2" in printed
    assert "line 2: event_id: no value in order" in complaints


def test_a_column_misspelt_in_what_ids_are_made_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,who,page\n1767225600,u1,/a\n1767225600,u1,/b\n")
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who,pgae"]
    assert "there is no column pgae to make ids from" in refused(path, *options)[1]
    assert stored() == []


def test_and_so_is_one_that_takes_the_place_of_a_preset_s(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("event,distinct_id,time\nx,u1,1767225600\nx,u1,1767225601\n")
    options = ["--preset", "mixpanel", "--id-from", "distinct_id,tmie"]
    assert "there is no column tmie to make ids from" in refused(path, *options)[1]


def test_bytes_that_are_no_text_in_what_ids_are_made_of_cost_their_own_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"at,who,n\n1767225600,u\xff,1\n1767225600,u2,2\n1767225600,u3,\xff\n")
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who"]
    printed, complaints = import_events(path, *options)
    assert "read 3, stored 1, duplicate 0, bad 2" in printed
    assert "line 2: event_id: a column is not UTF-8" in complaints
    assert "line 4: properties: a value is not UTF-8" in complaints


@pytest.mark.parametrize(
    ("time", "value", "kept"),
    [
        ("s", "1767225600", "2026-01-01 00:00:00.000"),
        ("s", "1767225600.5", "2026-01-01 00:00:00.500"),
        # A double would make it a millisecond more.
        ("s", "1767225600.122999999", "2026-01-01 00:00:00.122"),
        ("ms", "1767225600123", "2026-01-01 00:00:00.123"),
        ("us", "1767225600123999", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01 00:00:00.123000", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01T02:00:00+02:00", "2026-01-01 00:00:00.000"),
        ("s", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00.000"),
        ("s", "2026-01-01 00:00:00 UTC", "2026-01-01 00:00:00.000"),
        ("utc", "2026-01-01 00:00:00.123456 UTC", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01t02:00:00 +0200", "2026-01-01 00:00:00.000"),
        ("utc", "2026-01-01", "2026-01-01 00:00:00.000"),
        ("iso", "2026-01-01 00:00:00 UTC", "2026-01-01 00:00:00.000"),
        ("iso", "2026-01-01t00:00:00.123456789z", "2026-01-01 00:00:00.123"),
    ],
)
def test_times_are_read_as_they_are_said_to_be(
    tmp_path: Path, time: str, value: str, kept: str
) -> None:
    text = f"event_id,occurred_at,user_id,event_type\n{ID},{value},u1,x\n"
    [row] = imported(tmp_path / "a.csv", text, "--time", time)
    assert row[1] == kept


def test_a_time_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{ID},{time},u1,x" for time in ("soon", "9e99", "s" * 100)]
    path.write_text("\n".join(["event_id,occurred_at,user_id,event_type", *rows]))
    complaints = import_events(path, "--time", "s")[1].splitlines()
    said = "occurred_at is no number of seconds since 1970:"
    assert complaints == [
        f"{path}, line {line}: {said} {time!r}"
        for line, time in ((2, "soon"), (3, "9e99"), (4, "s" * 80))
    ]
    assert stored() == []


@pytest.mark.parametrize(
    "text", ["1" * 21, f"1767225600.{'0' * 28}1"], ids=["digits", "characters"]
)
def test_a_number_that_may_be_a_time_is_bounded(text: str) -> None:
    """To make an int of 1e999990 takes half a minute."""
    assert mapper._number(text) == Decimal(text)
    for longer in (text + "1", "1e21", "Infinity", "1e999990"):
        with pytest.raises(ValueError, match="no time is that large"):
            mapper._number(longer)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"a.b.c": 1, "a": {"b": {"c": 2}}}, 1),
        ({"a.b": {"c": 1}, "a": {"b.c": 2}}, 1),
        ({"a": {"b.c": 2, "b": {"c": 3}}}, 2),
        ({"a": {"b": {"c": 3}}}, 3),
        ({"a": '{"b": {"c": 4}}'}, 4),
        ({"a": "text", "a.b": ["c"]}, None),
        ({"a": {"b": None}}, None),
    ],
    ids=str,
)
def test_a_path_leads_through_the_longest_key_that_is_there(
    row: dict[str, Any], value: int | None
) -> None:
    assert mapper._first(row, ("a.b.c",)) == value


def test_a_column_of_json_that_is_not_known_is_named_in_eighty_characters(tmp_path: Path) -> None:
    path, name = tmp_path / "a.ndjson", "k" * 81
    path.write_text(json.dumps({"at": 1767225600, "who": "u1", "n": 1, name: 1}) + "\n")
    options = ["--map", "occurred_at=at", "--map", "user_id=who", "--time", "s", "--id-from", "n"]
    complaints = import_events(path, *options, "--set", "event_type=x")[1]
    assert complaints == f"{path}, line 1: {name[:80]!r} is no column known\n"


def test_an_id_that_is_set_wins_over_one_that_is_made(tmp_path: Path) -> None:
    text = json.dumps(MIXPANEL)
    [row] = imported(tmp_path / "a.ndjson", text, "--preset", "mixpanel", "--set", f"event_id={ID}")
    assert row[0] == ID


@pytest.mark.parametrize("pair", [{"value": 3}, {"key": 5, "value": 3}, 5], ids=str)
def test_a_list_that_is_not_of_keys_and_values_is_no_object(tmp_path: Path, pair: Any) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps({**GA4, "event_params": [pair]}) + "\n")
    complaints = import_events(path, "--preset", "ga4")[1]
    assert complaints == f"{path}, line 1: properties must be a JSON object\n"


MIXPANEL = {
    "event": "Signed up",
    "properties": {"time": 1767225600, "distinct_id": "u1", "$insert_id": "i1", "plan": 3},
}
AMPLITUDE = {
    "uuid": ID,
    "event_time": "2026-01-01 00:00:00.000000",
    "user_id": None,
    "device_id": "d1",
    "event_type": "Signed up",
    "event_properties": {"plan": 3},
    "platform": "iOS",
    "$schema": 12,
}
POSTHOG = {
    "uuid": ID,
    "event": "Signed up",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "distinct_id": "u1",
    "person_id": "p1",
    "properties": {"plan": 3},
    "elements_chain": "",
}
GA4 = {
    "event_date": "20260101",
    "event_timestamp": "1767225600000000",
    "event_name": "Signed up",
    "event_params": [
        {"key": "plan", "value": {"string_value": None, "int_value": 3}},
        {"key": "page", "value": {"string_value": "/a"}},
    ],
    "user_pseudo_id": "u1",
    "event_bundle_sequence_id": 1,
    "device": {"category": "mobile"},
    "geo": {"country": "Ukraine"},
    "platform": "WEB",
}
GA4_PROPERTIES = {"plan": 3, "page": "/a", "device": "mobile", "country": "Ukraine"}
EXPORTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "mixpanel": (MIXPANEL, "u1", MIXPANEL["properties"]),  # type: ignore[dict-item]
    "amplitude": (AMPLITUDE, "d1", {"plan": 3, "platform": "iOS", "$schema": 12}),
    "posthog": (POSTHOG, "u1", {"plan": 3}),
    "ga4": (GA4, "u1", {**GA4_PROPERTIES, "platform": "WEB"}),
}


@pytest.mark.parametrize("preset", EXPORTS)
def test_the_export_of_another_tool_is_read_as_json_lines(tmp_path: Path, preset: str) -> None:
    source, user, properties = EXPORTS[preset]
    text = f"{json.dumps(source)}\n{json.dumps(source)}\n"
    [row] = imported(tmp_path / "a.json", text, "--preset", preset)
    assert row[1:] == ("2026-01-01 00:00:00.000", user, "Signed up", properties)


@pytest.mark.parametrize("preset", ["posthog", "ga4"])
def test_and_as_parquet(tmp_path: Path, preset: str) -> None:
    source, user, properties = EXPORTS[preset]
    if preset == "posthog":  # documented as a text of JSON there
        source = {**source, "properties": json.dumps(source["properties"])}
    pq.write_table(pa.Table.from_pylist([source]), tmp_path / "a.parquet")
    import_events(tmp_path / "a.parquet", "--preset", preset)
    [row] = stored()
    assert row[1:] == ("2026-01-01 00:00:00.000", user, "Signed up", properties)


def test_an_option_overrules_a_preset(tmp_path: Path) -> None:
    text = json.dumps(POSTHOG)
    options = ("--preset", "posthog", "--map", "user_id=person_id", "--set", "event_type=x")
    [row] = imported(tmp_path / "a.json", text, *options)
    assert row[2:4] == ("p1", "x")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--map", "user=who"], "'user' is no field of an event"),
        (["--map", "user_id"], "'user_id' is not written target=value"),
        (["--map", "user_id=who", "--set", "user_id=u1"], "user_id is both mapped and set"),
        (["--set", "properties={}"], "properties cannot be set as a whole"),
        (["--encoding", "latin-99"], "encoding 'latin-99' is not known"),
        (["--delimiter", ",,"], "a delimiter is one character"),
        (["--max-errors", "-1"], "neither a number of rows nor a percentage"),
        (["--max-errors", "101%"], "neither a number of rows nor a percentage"),
        (["--map", "user_id=who"], "there is no column who for user_id; there are 'at', 'x'"),
        (
            [
                "--id-from",
                "a,b",
                *["--map", "occurred_at=at", "--set", "user_id=u", "--set", "event_type=x"],
            ],
            "there is no column a to make ids from",
        ),
        (
            [
                "--map",
                "occurred_at=at",
                "--id-from",
                "at",
                "--set",
                "user_id=u",
                "--set",
                "event_type=y",
            ],
            "unknown column 'x'",
        ),
    ],
)
def test_a_mapping_that_means_nothing_is_refused_by_name(
    tmp_path: Path, options: list[str], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,x\n1,2\n")
    options = ["--map", "event_id=x", *options] if "who for" in said else options
    options = ["--map", "occurred_at=at", *options] if "who for" in said else options
    assert said in refused(path, *options)[1]


def test_a_mapped_row_that_lacks_something_is_a_bad_row(tmp_path: Path) -> None:
    lines = [
        {"uuid": ID, "timestamp": "2026-01-01T00:00:00Z", "event": "x"},
        {**POSTHOG, "properties": [1]},
        {**POSTHOG, "properties": "{no"},
        {**POSTHOG, "event": {"a": 1}},
    ]
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "[]\n{\n")
    printed, complaints = import_events(path, "--preset", "posthog")
    assert "read 6, stored 0, duplicate 0, bad 6" in printed
    assert complaints.splitlines() == [
        f"{path}, line 1: user_id must have 1 to 200 characters",
        f"{path}, line 2: properties must be a JSON object",
        f"{path}, line 3: properties are not JSON: JSON is malformed: expected '\"' (byte 1)",
        f"{path}, line 4: event_type must be text or a number",
        f"{path}, line 5: not a JSON object",
        f"{path}, line 6: not a JSON object: Input data was truncated",
    ]


def test_properties_that_take_in_more_must_be_json_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps({**POSTHOG, "properties": "{no"}) + "\n")
    complaints = import_events(path, "--preset", "posthog", "--set", "properties.n=1")[1]
    assert complaints.startswith(f"{path}, line 1: properties are not JSON: ")


@pytest.mark.parametrize(
    ("options", "added"),
    [
        (("--set", "properties.n=1", "--rest", "ignore"), {"n": "1"}),
        (("--map", "properties.y=x"), {"y": "5"}),
        (("--rest", "properties"), {"x": "5"}),
        (("--rest", "ignore"), {}),
    ],
    ids=["set", "mapped", "the rest", "nothing"],
)
def test_properties_of_csv_take_in_each_kind_of_others(
    tmp_path: Path, options: Sequence[str], added: dict[str, str]
) -> None:
    head = "event_id,occurred_at,user_id,event_type,properties,x"
    row = f'{ID},2026-01-01T00:00:00Z,u1,t,"{{""a"":1}}",5'
    [found] = imported(tmp_path / "a.csv", f"{head}\n{row}\n", *options)
    assert found[4] == {"a": 1, **added}


# --- What would be lost ---------------------------------------------------------------------------

PLAIN = f'{{"event_id":"{ID}","occurred_at":"2026-01-01T00:00:00Z","user_id":"u1","event_type":"x",'


@pytest.mark.parametrize(
    ("line", "options", "key"),
    [
        (PLAIN + '"properties":{"a":1,"a":2}}', (), "a"),
        (PLAIN + '"properties":{"a":1,"a":2}}', ("--rest", "properties"), "a"),
        (PLAIN + '"properties":{"a":[{"b":{"c":1,"\\u0063":2}}]}}', ("--rest", "ignore"), "c"),
        (PLAIN + '"plan":1,"plan":2}', ("--rest", "properties"), "plan"),
        (PLAIN + '"user_id":"u2"}', (), "user_id"),
        (PLAIN + '"user_id":"u2","properties":{}}', (), "user_id"),
        (PLAIN + '"user_id":"u2"}', ("--rest", "ignore"), "user_id"),
        (
            json.dumps(POSTHOG).replace('"plan"', '"plan": 1, "plan"'),
            ("--preset", "posthog"),
            "plan",
        ),
        (json.dumps(GA4).replace('"page"', '"plan"'), ("--preset", "ga4"), "plan"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_plain_and_mapped(
    tmp_path: Path, line: str, options: Sequence[str], key: str
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(line.replace('"properties":{', '"properties": {') + "\n")
    printed, complaints = import_events(path, *options)
    assert "stored 0, duplicate 0, bad 1" in printed
    assert f"key {key!r} appears twice" in complaints


@pytest.mark.parametrize("options", [(), ("--set", "properties.n=1"), ("--rest", "ignore")])
def test_and_so_is_one_in_the_properties_of_csv(tmp_path: Path, options: Sequence[str]) -> None:
    path = tmp_path / "a.csv"
    head = "event_id,occurred_at,user_id,event_type,properties"
    path.write_text(f'{head}\n{ID},2026-01-01T00:00:00Z,u1,x,"{{""a"":1,""a"":2}}"\n')
    printed, complaints = import_events(path, *options)
    assert "stored 0, duplicate 0, bad 1" in printed
    assert "properties: key 'a' appears twice" in complaints


def test_numbers_of_mapped_rows_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(
        PLAIN + '"a":1.10,"b":12345678901234567.891,"c":[-0.0,1e5],"d":18446744073709551615}'
    )
    import_events(path, "--rest", "properties")
    [[text]] = engine.query("SELECT properties_text FROM events")
    assert text == '{"a":1.10,"b":12345678901234567.891,"c":[-0.0,1E+5],"d":18446744073709551615}'


@pytest.mark.parametrize(
    ("cells", "properties"),
    [(",,", {}), ("a,,", {"": "a"}), (",,b", {"": "b"}), ("a,,b", None), ("a,b,", None)],
)
def test_columns_without_a_name_lose_no_value(
    tmp_path: Path, cells: str, properties: dict[str, str] | None
) -> None:
    path = tmp_path / "a.csv"
    row = f"{ID},2026-01-01T00:00:00Z,u1,x"
    path.write_text(f"event_id,occurred_at,user_id,event_type,,,\n{row},{cells}\n")
    _, complaints = import_events(path, "--rest", "properties")
    if properties is None:
        assert "line 2: two columns without a name have values" in complaints
    else:
        assert [row[4] for row in stored()] == [properties]
    assert "stored" in import_events(path, "--rest", "ignore")[0]
    assert len(stored()) == 1
