"""One table is one table, whoever wrote it and in whichever format."""

import json
from pathlib import Path
from typing import Any

import pytest

from importer.mapping.columns import ColumnMap
from importer.mapping.spelling import spelt
from tests.importer.exports.exports import empty_stores, export_events
from tests.importer.importing import import_events
from tests.importer.reading.formats import chunks
from tests.importer.tables.write import COLUMNS, FOLDER
from tests.stored import counts

WRITERS = ["pyarrow", "pandas", "polars", "duckdb"]
FILES = [FOLDER / f"{writer}.{kind}" for writer in WRITERS for kind in ("csv", "ndjson", "parquet")]
# Not of float32, which some write into JSON as a double, nor of what CSV can't have.
IDS = "who,at,sent,day,clock,n,score,price,new"
OPTIONS = [
    *("--map", "user_id=who", "--map", "occurred_at=at", "--time", "utc"),
    *("--set", "event_type=visit", "--id-from", IDS, "--rest", "ignore"),
]


def rows(path: Path) -> list[dict[str, Any]]:
    """As properties of events."""
    constants = dict.fromkeys(("event_id", "occurred_at", "user_id", "event_type"), "x")
    mapping = ColumnMap(constants=constants, rest="properties")
    found = [json.loads(row[4]) for chunk in chunks(path, mapping=mapping) for row in chunk.rows]
    return [{name: row.get(name) for name in COLUMNS if name != "small"} for row in found]


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: comparable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    return spelt(value)


@pytest.mark.parametrize("writer", WRITERS)
def test_parquet_is_the_table_that_its_writer_has_in_json(writer: str) -> None:
    parquet, lines = rows(FOLDER / f"{writer}.parquet"), rows(FOLDER / f"{writer}.ndjson")
    assert comparable(parquet) == comparable(lines)
    assert len(parquet) == 3


def test_what_parquet_knows_better_is_what_it_says() -> None:
    for writer in WRITERS:
        first = rows(FOLDER / f"{writer}.parquet")[0]
        assert (first["at"], first["price"]) == ("2026-01-01T10:00:00.123456Z", 12.75)
        assert first["place"] == {"city": "Kyiv", "seen": "2026-01-01T10:00:00.123456Z"}
        if writer != "pandas":
            assert first["attributes"] == {"plan": "pro", "lang": "uk"}


@pytest.mark.usefixtures("stores")
def test_imported_one_after_another_all_but_the_first_are_duplicates() -> None:
    printed, complaints = import_events(*FILES, *OPTIONS)
    assert complaints == ""
    assert printed.count("read 3, stored 3, duplicate 0, bad 0") == 1
    assert printed.count("read 3, stored 0, duplicate 3, bad 0") == len(FILES) - 1
    assert counts()[0] == counts()[2] == 3


@pytest.mark.usefixtures("stores")
def test_imported_alone_each_gives_the_same_export(tmp_path: Path) -> None:
    exports = set()
    for path in FILES:
        empty_stores()
        import_events(path, *OPTIONS)
        export_events("--output", tmp_path / "out.ndjson", "--overwrite")
        exports.add(tuple(sorted((tmp_path / "out.ndjson").read_text().splitlines())))
    [events] = exports
    assert len(events) == 3
