"""What mapping must not lose: keys that appear twice, numbers, columns without a name."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from analytics import clickhouse as engine
from projects.models import DEFAULT
from tests.importer.importing import import_events
from tests.importer.mapping.mapped import ID, stored
from tests.importer.mapping.other_tools import GA4, POSTHOG

pytestmark = pytest.mark.usefixtures("stores")

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
def test_a_key_that_is_twice_in_the_properties_of_csv_is_refused(
    tmp_path: Path, options: Sequence[str]
) -> None:
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
    [[text]] = engine.query("SELECT properties_text FROM events", project=DEFAULT)
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
