"""A mapped row at its edges: how large a time may be, which key a path means, what joins in."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from importer.mapping import mapper
from tests.importer.importing import import_events
from tests.importer.mapping.mapped import ID, imported

pytestmark = pytest.mark.usefixtures("stores")


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
    assert complaints == f"{path}, line 1: unknown column {name[:80]!r}\n"


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
