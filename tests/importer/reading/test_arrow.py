"""Parquet is a table of JSON values: one rule a type, the same at every depth."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics.reports import top_events
from analytics.segments.parsing import parse_segments
from analytics.zones import UTC, Zone
from importer.mapping.columns import ColumnMap
from importer.reading.chunks import FileRefused
from projects.models import DEFAULT
from tests.importer.importing import import_events
from tests.importer.mapping.mapped import stored
from tests.importer.reading.formats import chunks
from tests.importer.tables.write import FOLDER

ID = UUID("0191f5a0-0000-7000-8000-000000000001")
AT = datetime(2026, 1, 1, 10, 0, 0, 123456)
FIELDS = {"event_id": str(ID), "occurred_at": AT, "user_id": "u1", "event_type": "x"}
RULES: dict[str, tuple[pa.DataType, Any, Any]] = {
    "null": (pa.null(), None, None),
    "bool": (pa.bool_(), True, True),
    "int8": (pa.int8(), -7, -7),
    "uint64": (pa.uint64(), 2**64 - 1, 2**64 - 1),
    "half": (pa.float16(), 0.1, 0.1),
    "float": (pa.float32(), 0.1, 0.1),
    "whole float": (pa.float32(), 16777216.0, 16777216.0),
    "double": (pa.float64(), 0.1, 0.1),
    "NaN": (pa.float64(), float("nan"), None),
    "infinity": (pa.float32(), float("-inf"), None),
    "decimal": (pa.decimal128(10, 2), Decimal("12.50"), Decimal("12.50")),
    "long decimal": (pa.decimal256(50, 30), Decimal("0.1234567890123456789"), ...),
    "text": (pa.string(), "новини", "новини"),
    "large text": (pa.large_string(), "x", "x"),
    "text view": (pa.string_view(), "x", "x"),
    "bytes": (pa.binary(), "новини".encode(), "новини"),
    "16 bytes": (pa.binary(16), b"sixteen letters!", "sixteen letters!"),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), "x", "x"),
    "date": (pa.date32(), date(2026, 1, 1), "2026-01-01"),
    "date64": (pa.date64(), date(2026, 1, 1), "2026-01-01"),
    "seconds": (pa.timestamp("s"), AT.replace(microsecond=0), "2026-01-01T10:00:00Z"),
    "milliseconds": (
        pa.timestamp("ms"),
        AT.replace(microsecond=120_000),
        "2026-01-01T10:00:00.120Z",
    ),
    "microseconds": (pa.timestamp("us"), AT, "2026-01-01T10:00:00.123456Z"),
    "whole microseconds": (pa.timestamp("us"), datetime(2026, 1, 1), "2026-01-01T00:00:00Z"),
    "nanoseconds": (pa.timestamp("ns"), 1767261600123456789, "2026-01-01T10:00:00.123456789Z"),
    "zone": (pa.timestamp("us", "Europe/Kyiv"), AT, "2026-01-01T10:00:00.123456Z"),
    "time": (pa.time32("ms"), time(10, 0, 0, 5000), "10:00:00.005"),
    "time in ns": (pa.time64("ns"), 36_000_123_456_789, "10:00:00.123456789"),
    "duration": (pa.duration("us"), timedelta(days=1, seconds=1.5), "PT86401.5S"),
    "negative duration": (pa.duration("ns"), timedelta(seconds=-20), "PT-20S"),
}
DEPTHS: dict[str, tuple[Callable[[pa.DataType], pa.DataType], Callable[[Any], Any]]] = {
    "column": (lambda kind: kind, lambda value: value),
    "object": (lambda kind: pa.struct({"a": kind}), lambda value: {"a": value}),
    "list": (pa.list_, lambda value: [None, value]),
    "large list": (pa.large_list, lambda value: [value]),
    "list of two": (lambda kind: pa.list_(kind, 2), lambda value: [value, None]),
    "list view": (pa.list_view, lambda value: [value]),
    "map": (lambda kind: pa.map_(pa.string(), kind), lambda value: {"a.b": value}),
    "objects in lists": (
        lambda kind: pa.list_(pa.struct({"a": pa.list_(kind)})),
        lambda value: [{"a": [value]}],
    ),
}


def as_arrow(value: Any) -> Any:
    """Arrow takes a map as pairs."""
    if isinstance(value, dict) and "a.b" in value:
        return list(value.items())
    return value


def written(path: Path, array: pa.Array) -> Path:
    others = {name: [value] * len(array) for name, value in FIELDS.items()}
    pq.write_table(pa.table({**others, "value": array}), path)
    return path


def read(path: Path) -> list[Any]:
    """The column `value` of each row as a property, bad rows as what is wrong with them."""
    mapping = ColumnMap(rest="properties")
    [chunk] = chunks(path, mapping=mapping)
    texts = [row[4] for row in chunk.rows]
    values = [json.loads(text, parse_float=Decimal).get("value") for text in texts]
    return [*values, *(bad.reason for bad in chunk.bad)]


def exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return Decimal(str(value)) if isinstance(value, float) else value


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", RULES)
def test_a_value_is_what_json_has_for_it_at_every_depth(
    tmp_path: Path, name: str, depth: str
) -> None:
    kind, given, expected = RULES[name]
    expected = given if expected is ... else expected
    wrap_kind, wrap = DEPTHS[depth]
    array = pa.array([None, as_arrow(wrap(given)), None], wrap_kind(kind))
    path = written(tmp_path / "a.parquet", array)
    assert read(path) == exact([None, wrap(expected), None])


def test_what_parquet_alone_says_of_a_column_is_heeded_at_every_depth() -> None:
    mapping = ColumnMap(constants=dict.fromkeys(FIELDS, "x"), rest="properties")
    [chunk] = chunks(FOLDER / "types.parquet", mapping=mapping)
    first, second = (json.loads(row[4]) for row in chunk.rows)
    gap, body = "P1M2DT3.5S", {"a": 1.5, "b": [None]}
    nested = {"gap": gap, "body": body}
    assert first == {"id": str(ID), "gap": gap, "body": body, "ids": [str(ID)], "nested": nested}
    assert second == {"ids": [None], "nested": {"gap": None, "body": None}}


def test_a_uuid_that_is_said_to_be_one_is_its_text(tmp_path: Path) -> None:
    array = pa.array([ID.bytes, None], pa.uuid())
    assert read(written(tmp_path / "a.parquet", array)) == [str(ID), None]
    array = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', "{no"]))
    assert read(written(tmp_path / "b.parquet", array)) == [{"a": 1}, "{no"]


@pytest.mark.parametrize("kind", [pa.binary(16), pa.binary(), pa.large_binary()])
def test_sixteen_bytes_are_an_event_id(tmp_path: Path, kind: pa.DataType) -> None:
    others = {name: [value] * 2 for name, value in FIELDS.items() if name != "event_id"}
    table = pa.table({"event_id": pa.array([ID.bytes, None], kind), **others})
    pq.write_table(table, tmp_path / "a.parquet")
    [chunk] = chunks(tmp_path / "a.parquet")
    assert [row[0] for row in chunk.rows] == [str(ID)]
    assert [bad.reason for bad in chunk.bad] == ["event_id is missing"]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (
            pa.array([[("a", 1)], [("a", 1), ("a", 2)], None], pa.map_(pa.string(), pa.int8())),
            "value: key 'a' appears twice",
        ),
        (
            pa.array([[b"ok"], [b"\xff"], None], pa.list_(pa.binary())),
            "properties: a value is not UTF-8",
        ),
        (
            pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1", '{"a":1,"a":2}', None])),
            "value: key 'a' appears twice",
        ),
    ],
)
def test_a_value_that_json_cannot_have_costs_its_own_row(
    tmp_path: Path, array: pa.Array, said: str
) -> None:
    _, none, bad = read(written(tmp_path / "a.parquet", array))
    assert none is None
    assert said in bad


def test_an_object_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    path = written(tmp_path / "a.parquet", inner)
    with pytest.raises(FileRefused, match="'value' has a type that cannot be written as JSON"):
        read(path)


def test_beside_a_value_that_is_too_large_the_others_are_the_same(tmp_path: Path) -> None:
    """Rows are made one by one then, cut out of longer arrays."""
    count = 40
    columns = {
        "list": pa.array([[n, None] if n % 3 else None for n in range(count)]),
        "object": pa.array([{"a": n} if n % 3 else None for n in range(count)]),
        "map": pa.array([[("k", n)] for n in range(count)], pa.map_(pa.string(), pa.int64())),
        "pair": pa.array([[n, n] for n in range(count)], pa.list_(pa.int64(), 2)),
        "name": pa.array([f"name {n % 7}" for n in range(count)]).dictionary_encode(),
        "large": pa.array(["x" * 2_000_000 if n == 20 else "y" * n for n in range(count)]),
    }
    others = {name: [value] * count for name, value in FIELDS.items()}
    pq.write_table(pa.table({**others, **columns}), tmp_path / "a.parquet")
    found = chunks(tmp_path / "a.parquet", mapping=ColumnMap(rest="properties"))
    properties = [json.loads(row[4]) for chunk in found for row in chunk.rows]
    assert properties == [
        {
            **({"list": [n, None], "object": {"a": n}} if n % 3 else {}),
            **{"map": {"k": n}, "pair": [n, n], "name": f"name {n % 7}"},
            **({"large": "y" * n} if n else {}),
        }
        for n in range(count)
        if n != 20
    ]


# --- As the fields of an event ------------------------------------------------------------------


@pytest.mark.usefixtures("stores")
def test_decimals_are_numbers_as_user_time_and_property(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [str(ID)],
            "at": pa.array([Decimal("1767225600.123")], pa.decimal128(14, 3)),
            "who": pa.array([Decimal("12.00")], pa.decimal128(10, 2)),
            "price": pa.array([Decimal("12.50")], pa.decimal128(10, 2)),
            "attrs": pa.array([[("plan", "pro")]], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    maps = ["event_id=id", "occurred_at=at", "user_id=who", "properties.plan=attrs.plan"]
    maps += ["properties.price=price"]
    options = ["--time", "s", "--set", "event_type=x", *(w for m in maps for w in ("--map", m))]
    import_events(tmp_path / "a.parquet", *options)
    properties = {"plan": "pro", "price": 12.5}
    assert stored() == [(str(ID), "2026-01-01 00:00:00.123", "12", "x", properties)]
    for value in ("12.5", "12.50"):
        segments = parse_segments([f"properties.price:{value}"])
        day = date(2026, 1, 1)
        [found] = top_events(
            start=day, end=day, limit=1, segments=segments, project=DEFAULT, zone=Zone(UTC)
        )
        assert found.event_type == "x"


@pytest.mark.usefixtures("stores")
def test_a_date_is_a_time_where_times_are_utc(tmp_path: Path) -> None:
    others = {name: [value] for name, value in FIELDS.items() if name != "occurred_at"}
    pq.write_table(pa.table({**others, "occurred_at": [date(2026, 1, 1)]}), tmp_path / "a.parquet")
    import_events(tmp_path / "a.parquet", "--time", "utc")
    assert [row[1] for row in stored()] == ["2026-01-01 00:00:00.000"]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("options", [(), ("--map", "user_id=user_id")])
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.decimal128(22, 2)])
def test_a_number_is_the_user_of_its_digits_plain_and_mapped(
    tmp_path: Path, kind: pa.DataType, options: tuple[str, ...]
) -> None:
    users = pa.array([12, None], pa.int64()).cast(kind)
    others = {name: [value] * 2 for name, value in FIELDS.items() if name != "user_id"}
    pq.write_table(pa.table({**others, "user_id": users}), tmp_path / "a.parquet")
    printed, _ = import_events(tmp_path / "a.parquet", *options)
    assert "stored 1, duplicate 0, bad 1" in printed
    assert [row[2] for row in stored()] == ["12"]
