"""Files that are cut short, damaged or monstrous: named, bounded in memory, and harmless."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from importer.models import Import
from importer.reading import lines
from tests.importer.importing import import_events, refused
from tests.importer.measuring import reading
from tests.importer.reading.formats import as_csv, as_json_lines, as_parquet, events
from tests.stored import counts

pytestmark = pytest.mark.usefixtures("stores")

LONG = 60_000_000
# Half of much fewer is less than what is unpacked at a time.
MANY = 30_000


@pytest.mark.parametrize(
    ("compress", "write"), [(gzip.compress, as_csv), (zstandard.compress, as_json_lines)]
)
def test_what_is_there_of_a_file_cut_short_is_stored_and_the_cut_is_named(
    tmp_path: Path, compress: Callable[[bytes], bytes], write: Callable[[Any], bytes]
) -> None:
    whole = compress(write(events(MANY)))
    path = tmp_path / "events.gz"
    path.write_bytes(whole[: len(whole) // 2])
    _, complaints = refused(path)
    assert "ends too early: its compressed data is incomplete" in complaints
    row = Import.objects.get()
    assert row.state == Import.State.FAILED
    assert 0 < row.stored == row.read < MANY
    path.write_bytes(whole)
    printed, _ = import_events(path)
    assert f"stored {MANY - row.stored}, duplicate {row.stored}, bad 0" in printed


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_damage_in_the_middle_is_told(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = bytearray(compress(as_csv(events(3_000))))
    data[len(data) // 2 : len(data) // 2 + 50] = b"x" * 50
    path = tmp_path / "events.gz"
    path.write_bytes(data)
    _, complaints = refused(path)
    assert f"{path} is damaged" in complaints


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_half_a_parquet_file_is_refused(tmp_path: Path, keep: float) -> None:
    whole = as_parquet(events(500))
    path = tmp_path / "events.parquet"
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert "is not a complete Parquet file" in refused(path)[1]
    assert counts() == (0, 0, 0)


def test_damage_inside_parquet_is_told_with_its_place(tmp_path: Path) -> None:
    whole = bytearray(as_parquet(events(5000)))
    whole[len(whole) // 2 : len(whole) // 2 + 200] = b"\xff" * 200
    path = tmp_path / "events.parquet"
    path.write_bytes(whole)
    _, complaints = refused(path)
    assert f"{path} is damaged after row" in complaints


def test_parquet_without_the_columns_is_refused_naming_them(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"id": ["a"], "at": [1]}), path)
    said = refused(path)[1]
    assert "there is no column event_id for event_id; the columns are 'id', 'at'" in said


def test_parquet_must_be_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet.gz"
    path.write_bytes(gzip.compress(as_parquet(events(1))))
    assert "is Parquet, which cannot be read from a pipe" in refused(path)[1]


def test_a_line_of_sixty_megabytes_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    heads = {"csv": b"event_id,occurred_at,user_id,event_type\n", "json": b'{"event_id": 1}\n'}
    for name, head in heads.items():
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.seek(LONG, 1)  # nothing but NULs, which take no room on disk
            file.write(b"\nbad\n")
    each = "bad = [bad for chunk in found for bad in chunk.bad][-2:]"
    told = "for it in bad: print(it.line, it.reason)"
    said, grown = reading([tmp_path / name for name in heads], each, told)
    for first, second in zip(said[::2], said[1::2], strict=True):
        assert "2" in first.split()[0]
        assert "the line has more than 1048576" in first
        assert second.startswith("3 ")
    assert len(said) == 2 * len(heads)
    assert grown < 40_000, "KiB"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_file_that_unpacks_to_far_more_than_events_do_is_refused(
    tmp_path: Path, monkeypatch: Any, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(lines, "_UNPACKED_BYTES", 1_000_000)
    path = tmp_path / "events.ndjson.packed"
    rows = as_json_lines(events(10))
    path.write_bytes(compress(rows + b"\n" * 5_000_000))
    assert "unpacks to more than 200 times its size" in refused(path)[1]
    path.write_bytes(compress(rows + b"\n" * 500_000))
    import_events(path)
    assert counts()[0] == 10


@pytest.mark.parametrize("write", [as_csv, as_json_lines])
def test_a_file_of_little_but_empty_lines_is_refused(
    tmp_path: Path, monkeypatch: Any, write: Callable[[Any], bytes]
) -> None:
    monkeypatch.setattr(lines, "_EMPTY", 10_000)
    path = tmp_path / "events.ndjson"
    rows = write(events(10))
    path.write_bytes(rows + b"\r\n" * 4_900)
    import_events(path)
    assert counts()[0] == 10
    path.write_bytes(rows + b"\n" * 12_000)
    assert "is mostly empty lines" in refused(path)[1]
    path.write_bytes(b"\n" * 12_000 + rows)
    assert "is mostly empty lines" in refused(path)[1]
    path.write_bytes(rows.rstrip().replace(b"\n", b"\n" * 100) + b"\n" * 10_000)
    import_events(path)


def test_parquet_of_too_many_columns_is_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    # The last 8 bytes say how long the footer is that stands before them.
    path.write_bytes(b"PAR1" + bytes(64) + (5 * 1024 * 1024).to_bytes(4, "little") + b"PAR1")
    assert "too many columns and row groups: its footer is larger than 4 MiB" in refused(path)[1]
