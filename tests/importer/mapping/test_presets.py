"""The exports of other tools."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.importer.importing import import_events
from tests.importer.mapping.mapped import ID, imported, stored
from tests.importer.mapping.other_tools import EXPORTS, GA4, MIXPANEL, POSTHOG

pytestmark = pytest.mark.usefixtures("stores")


@pytest.mark.parametrize("preset", EXPORTS)
def test_the_export_of_another_tool_is_read_as_json_lines(tmp_path: Path, preset: str) -> None:
    source, user, properties = EXPORTS[preset]
    text = f"{json.dumps(source)}\n{json.dumps(source)}\n"
    [row] = imported(tmp_path / "a.json", text, "--preset", preset)
    assert row[1:] == ("2026-01-01 00:00:00.000", user, "Signed up", properties)


@pytest.mark.parametrize("preset", ["posthog", "ga4"])
def test_the_export_of_another_tool_is_read_as_parquet(tmp_path: Path, preset: str) -> None:
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
