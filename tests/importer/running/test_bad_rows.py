"""A row that is wrong, or made to do harm, costs itself only: not the file, memory or time."""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.format.inspection import FieldError
from importer.mapping.columns import ColumnMap, Time
from importer.mapping.mapper import mapper
from importer.mapping.options import OptionError, Options
from importer.mapping.presets import PRESETS
from importer.reading import columns_and_chunks
from importer.reading.arrow import parquet
from importer.reading.chunks import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    MAX_LINE,
    BadRow,
    Chunk,
    FileRefused,
    Raw,
    chunked,
)
from importer.reading.files import opened
from importer.reading.rejects import Rejects
from importer.running.batches import without
from tests.importer.measuring import reading
from tests.importer.reading.formats import HEADER, chunks, written

ROW = {"event_id": "id", "user_id": "u1", "event_type": "x"}


# --- Values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("text", ["1e999990", "-1e999990", "inf", "nan", "1e21", "1" * 1_000_000])
def test_a_number_too_large_for_a_time_is_refused_at_once(unit: Time, text: str) -> None:
    started = time.process_time()
    with pytest.raises(FieldError, match=r"must be a number of \w*seconds since 1970"):
        mapper(ColumnMap(time=unit))({**ROW, "occurred_at": text})
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("text", ["1e99999999999999999999", "-1.5E-99999999999999999999"])
def test_a_number_whose_exponent_is_too_large_costs_its_row_alone(
    tmp_path: Path, text: str
) -> None:
    line = json.dumps({**ROW, "occurred_at": "now", "properties": {"a": 1}})
    path = tmp_path / "events.ndjson"
    path.write_text(f"{line}\n{line.replace('1}', f'{text}}}')}\n{line}\n")
    with opened(path) as file:
        options = Options(mapping=ColumnMap(rest="properties"))
        found = list(columns_and_chunks(file, options)[1])
    assert [good for chunk in found for good in chunk.lines] == [1, 3]
    [bad] = [bad for chunk in found for bad in chunk.bad]
    assert "exponent" in bad.reason


@pytest.mark.parametrize(
    "name", ["zlib", "base64", "rot13", "a\0b", "\ud800", "idna", "unicode_escape"]
)
def test_what_is_no_encoding_of_text_is_no_option(name: str) -> None:
    with pytest.raises(OptionError, match="is not known"):
        Options(encoding=name)


def test_the_event_s_own_properties_win_over_columns_of_the_same_name() -> None:
    row = {**ROW, "event_time": "2026-01-01 00:00:00", "platform": "iOS", "os": "17", "lib": ""}
    row |= {"event_properties": {"platform": "mine", "lib": None}}  # type: ignore[dict-item]
    properties = mapper(PRESETS["amplitude"])(row)[4]
    assert json.loads(properties) == {"event_id": "id", "platform": "mine", "os": "17", "lib": None}


def test_the_longest_key_with_dots_that_fits_a_path_counts() -> None:
    mapping = ColumnMap(sources={"user_id": ("a.b.c",)}, rest="ignore")
    row = {"event_id": "id", "occurred_at": "2026-01-01T00:00:00Z", "event_type": "x"}
    found = mapper(mapping)(row | {"a": {"b.c": "short"}, "a.b": {"c": "long"}})
    assert found[2] == "long"


# --- Going on ------------------------------------------------------------------------------------


def _chunk(lines: Sequence[tuple[int, bool]]) -> Chunk:
    good = [line for line, is_good in lines if is_good]
    bad = [BadRow(line, "bad", [str(line)]) for line, is_good in lines if not is_good]
    rows = [(str(line), "", "", "", "") for line in good]
    return Chunk(rows, good, [[str(line)] for line in good], bad)


@given(st.lists(st.booleans(), max_size=30), st.lists(st.integers(0, 30)), st.integers(0, 31))
def test_what_was_read_before_is_left_out_to_the_row(
    are_good: list[bool], cuts: list[int], read: int
) -> None:
    rows = [(2 * n + 3, is_good) for n, is_good in enumerate(are_good)]
    places = [0, *sorted(cuts), len(rows)]
    chunks = [_chunk(rows[a:b]) for a, b in pairwise(places)]
    left = list(without(chunks, read))
    good = [(line, True) for chunk in left for line in chunk.lines]
    bad = [(row.line, False) for chunk in left for row in chunk.bad]
    assert sorted(good + bad) == rows[read:]
    assert [row[0] for chunk in left for row in chunk.rows] == [str(line) for line, _ in good]
    assert [raw for chunk in left for raw in chunk.raws] == [[str(line)] for line, _ in good]


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'a","\n' * 100_000,
        ('a","\n' * 999 + 'a"x\n') * 40,
        ('a","' + "x" * 900 + "\n") * 1_000 + ("1,2,3,4\n" * 1_000),
    ],
    ids=["never closed", "closed wrongly", "long lines"],
)
def test_quotes_left_open_at_each_line_end_take_time_as_the_file_is_long(
    tmp_path: Path, text: str
) -> None:
    started = time.process_time()
    bad = [row for chunk in chunks(written(tmp_path, HEADER + text)) for row in chunk.bad]
    assert time.process_time() - started < 5
    assert [row.line for row in bad] == list(range(2, text.count("\n") + 2))


def test_a_header_whose_quotes_never_close_is_refused_without_reading_the_file(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, 'a","\n' * 1_000_000)
    with opened(path) as file:
        with pytest.raises(FileRefused, match="does not start with a CSV header"):
            columns_and_chunks(file, Options())
        assert file.position() < file.size // 2


# --- Memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "row", "count"),
    [
        ("{}\n", "x" * 900_000, 15),
        (HEADER, f"id,at,{'u' * 120_000},type,{{}}", 50),
        (HEADER, "," * 900_000, 15),
    ],
    ids=["bad rows", "long names", "empty cells"],
)
def test_what_a_chunk_holds_is_bounded_whatever_is_large(
    tmp_path: Path, head: str, row: str, count: int
) -> None:
    found = [chunk.read for chunk in chunks(written(tmp_path, head + f"{row}\n" * count))]
    assert sum(found) in (count, count + 1)
    assert (max(found) - 1) * len(row) <= CHUNK_CHARACTERS + MAX_LINE


def test_only_the_start_of_a_bad_row_that_is_too_long_is_kept() -> None:
    long: list[Raw] = [["a", "b" * 2 * MAX_LINE], {"a": 1, "b": "b" * 2 * MAX_LINE}]
    [chunk] = chunked((line, "bad", raw) for line, raw in enumerate(long))
    assert [row.raw for row in chunk.bad] == [["a" + "b" * 999], {"a": "1", "b": "b" * 1000}]


# --- Parquet -------------------------------------------------------------------------------------

GOOD = {"event_id": "id", "occurred_at": "at", "user_id": "u", "event_type": "x"}


def _parquet(folder: Path, table: pa.Table, **options: Any) -> Path:
    path = folder / "events.parquet"
    pq.write_table(table, path, **options)
    return path


def test_one_large_value_in_many_rows_of_parquet_takes_little_memory(tmp_path: Path) -> None:
    paths = []
    for first in ("small", None):
        rows = [{**GOOD, "properties": first}]
        rows += [{**GOOD, "properties": "x" * 2_000_000}] * 100
        rows += [{**GOOD, "properties": "{}"}]
        (folder := tmp_path / str(first)).mkdir()
        paths.append(_parquet(folder, pa.Table.from_pylist(rows), compression="zstd"))
    said, grown = reading(
        paths,
        "read = list(found)",
        "print(sum(len(chunk.rows) for chunk in read), sum(len(chunk.bad) for chunk in read))",
        "print(read[0].bad[0].reason)",
    )
    assert said == ["2 100", "the row has more than 1048576 bytes"] * 2
    assert grown < 150_000, "KiB"


def _repeated(folder: Path, texts: Sequence[str], rows: list[Any], **options: Any) -> Path:
    """Properties of which each row has some of the texts, by their places among them."""
    indices = pa.array(rows)
    places = indices.flatten() if pa.types.is_list(indices.type) else indices
    column = pa.DictionaryArray.from_arrays(places.cast(pa.int32()), pa.array(texts))
    if pa.types.is_list(indices.type):
        column = pa.ListArray.from_arrays(indices.offsets, column)
    others = {name: [value] * len(rows) for name, value in GOOD.items()}
    return _parquet(folder, pa.table({**others, "properties": column}), **options)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_value_that_thousands_of_rows_repeat_is_not_read_for_ever(
    tmp_path: Path, store_schema: bool
) -> None:
    path = _repeated(tmp_path, ["x" * 900_000], [0] * 3_000, store_schema=store_schema)
    with pytest.raises(FileRefused, match=r"after row 1\d\d\d, because the values take more than"):
        list(_lines_of(path))


def _lines_of(path: Path) -> Iterator[int]:
    with opened(path) as file:
        yield from (line for line, _, _ in parquet.read(file, Options()).rows)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_list_that_repeats_a_large_value_is_not_made(tmp_path: Path, store_schema: bool) -> None:
    path = _repeated(tmp_path, ["x" * 900_000], [[0] * 20_000], store_schema=store_schema)
    with pytest.raises(FileRefused, match=r"list\.element has a list of more than 32 MiB"):
        list(chunks(path))


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_list_of_some_of_many_values_is_as_large_as_those(
    tmp_path: Path, store_schema: bool
) -> None:
    texts = [str(n) * 1_000 for n in range(1_000)]
    path = _repeated(tmp_path, texts, [[n, 0] for n in range(1_000)], store_schema=store_schema)
    found = list(chunks(path))
    assert sum(len(chunk.rows) for chunk in found) == 1_000
    assert not any(chunk.bad for chunk in found)


def test_lists_of_more_elements_than_fit_in_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_MAX_ELEMENTS", 1_000)
    others = {name: [value] for name, value in GOOD.items()}
    table = pa.table({**others, "properties": [[0] * 1_001]})
    with pytest.raises(FileRefused, match="one row group have more than 1,000 elements"):
        list(_lines_of(_parquet(tmp_path, table)))
    fitting = pa.table({**others, "properties": [[0] * 1_000]})
    assert list(_lines_of(_parquet(tmp_path, fitting))) == [1]


def test_rows_of_hardly_any_bytes_are_not_read_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_TIMES", 0)
    monkeypatch.setattr(parquet, "_BESIDES", 150 * CHUNK_ROWS)
    table = pa.table({name: [value] * 3 * CHUNK_ROWS for name, value in GOOD.items()})
    with pytest.raises(FileRefused, match=f"stopped after row {CHUNK_ROWS}"):
        list(_lines_of(_parquet(tmp_path, table)))


def test_bytes_that_are_not_utf8_cost_one_row_of_parquet(tmp_path: Path) -> None:
    ids = pa.array([b"1", b"Jos\xe9", b"3"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, ids.buffers())
    others = {name: [name] * 3 for name in ("event_id", "occurred_at", "event_type")}
    for users in (ids, texts):
        path = _parquet(tmp_path, pa.table({**others, "user_id": users}))
        [chunk] = chunks(path)
        assert [row[2] for row in chunk.rows] == ["1", "Jos\udce9", "3"]
        rejects = Rejects(tmp_path / "rejected.csv", ["raw"])
        rejects.add([BadRow(2, "user_id is not UTF-8", chunk.raws[1])])
        assert b"Jos\xe9" in rejects.path.read_bytes()


def test_a_spreadsheet_that_divides_by_semicolons_leaves_rejected_texts_whole(
    tmp_path: Path,
) -> None:
    rejects = Rejects(tmp_path / "rejected.csv", ["user_id"])
    rejects.add([BadRow(2, "a; b", ["x;y"]), BadRow(3, "c", ["a\tb"]), BadRow(4, "d", ["e"])])
    _, *rows = rejects.path.read_bytes().splitlines()
    assert rows == [b'2,"a; b","x;y"', b'3,c,"a\tb"', b"4,d,e"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((*GOOD, "user_id"), "column 'user_id' appears twice"),
        ((*GOOD, "User_ID"), "column 'user_id' appears twice"),
        ((*GOOD, "properties", "properties_json"), "two columns for properties"),
    ],
)
def test_columns_of_parquet_that_contradict_each_other_are_refused(
    tmp_path: Path, names: Sequence[str], said: str
) -> None:
    table = pa.Table.from_arrays([pa.array(["x"])] * len(names), list(names))
    with pytest.raises(FileRefused, match=said):
        list(chunks(_parquet(tmp_path, table)))
