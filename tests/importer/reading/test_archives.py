"""Zip archives are read where that is clear, and whatever is not read is named."""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import zstandard

from importer.models import Import
from importer.reading import archives
from importer.reading.chunks import FileRefused
from importer.reading.files import opened
from tests.importer.importing import import_events, refused
from tests.importer.mapping.other_tools import AMPLITUDE
from tests.importer.reading.formats import HEADER, as_json_lines, chunks, events
from tests.stored import counts

LINE = '{"event_id":"%s","occurred_at":"at","user_id":"u","event_type":"x"}'


def zipped(path: Path, files: Mapping[str, bytes], method: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def lines(*names: str) -> bytes:
    return "\n".join(LINE % name for name in names).encode()


def names_and_lines(path: Path) -> list[tuple[str, int]]:
    [chunk] = chunks(path)
    return [(row[0], line) for row, line in zip(chunk.rows, chunk.lines, strict=True)]


def test_files_of_json_lines_are_read_one_behind_the_other(tmp_path: Path) -> None:
    files = {
        "folder/": b"",
        "b.json": lines("1", "2"),
        "empty.json": b"",
        "folder/a.json.gz": gzip.compress(lines("3") + b"\r\n"),
        "__MACOSX/._a.json": b"\0\5\x16\7",
        "folder/.DS_Store": b"\0\0\0\1",
        "a.json.zst": zstandard.compress(b"\xef\xbb\xbf" + lines("4", "5")),
        "c.json": lines("6") + b"\r",
        "d.json": lines("7"),
    }
    path = zipped(tmp_path / "a.zip", files)
    assert names_and_lines(path) == [(str(n), n) for n in range(1, 8)]
    with opened(path) as file:
        file.stream.read()
        assert file.position() == file.size


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_single_file_may_be_csv(
    tmp_path: Path, pack: Callable[[bytes], bytes], method: int
) -> None:
    body = (HEADER + "id,at,user,type,{}\n").encode("utf-16")
    path = zipped(tmp_path / "a.zip", {"events.csv": pack(body)}, method)
    assert names_and_lines(path) == [("id", 2)]


@pytest.mark.usefixtures("stores")
def test_the_export_of_amplitude_is_read_as_it_comes(tmp_path: Path) -> None:
    ids = [f"0191f5a0-0000-7000-8000-00000000000{n}" for n in range(6)]
    rows = [json.dumps({**AMPLITUDE, "uuid": one}).encode() for one in ids]
    files = {
        f"123/123_2026-01-01_{hour}#0.json.gz": gzip.compress(b"\n".join(rows[hour::2]))
        for hour in range(2)
    }
    path = zipped(tmp_path / "export.zip", files)
    printed, complaints = import_events(tmp_path, "--preset", "amplitude")
    assert complaints == ""
    assert f"{path}: read 6, stored 6, duplicate 0, bad 0" in printed


@pytest.mark.usefixtures("stores")
def test_an_archive_goes_on_where_its_import_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    parts = [as_json_lines(events(900)) for _ in range(3)]
    files = {f"{n}.json.gz": gzip.compress(part) for n, part in enumerate(parts)}
    files["1.json.gz"] = gzip.compress(parts[1] + b"bad\n")
    path = zipped(tmp_path / "a.zip", files)
    refused(path, "--max-errors", "0")
    assert Import.objects.get().read == 2000
    printed, _ = import_events(path)
    assert "continued after 2000 rows" in printed
    assert "read 2701, stored 2700, duplicate 0, bad 1" in printed
    assert counts()[0] == counts()[2] == 2700


def packed(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return out.getvalue()


def inside(files: Mapping[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


ROW = as_json_lines(
    [{"event_id": "1", "occurred_at": "2", "user_id": "3", "event_type": "4", "properties": "{}"}]
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bz2.compress(ROW), "is a bzip2 file; it must be CSV"),
        (lzma.compress(ROW), "is an xz file"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7z archive"),
        (packed("a.csv"), "is a tar archive"),
        (gzip.compress(packed("a.csv")), "is a tar archive"),
        (gzip.compress(gzip.compress(ROW)), "is compressed twice"),
        (gzip.compress(inside({"a.json": ROW})), "is a zip archive inside of another file"),
        (b"Obj\x01\x04\x14", "is an Avro file"),
        (inside({}), "is a zip archive without any file to import"),
        (
            inside({"xl/workbook.xml": b"<?xml", "a.xml": b""}),
            "is an Excel workbook; save it as CSV",
        ),
        (inside({"a.csv": HEADER.encode(), "b.csv": b""}), "a.csv in "),
        (inside({"a.csv": HEADER.encode(), "b.csv": b""}), "is not JSON lines in UTF-8"),
        (inside({"a.json": ROW.decode().encode("utf-16"), "b.json": ROW}), "in UTF-8"),
        (inside({"a.zip": inside({"a.json": ROW})}), "is a zip archive inside of another file"),
        (inside({"a.parquet": b"PAR1"}), "is Parquet, which cannot be read inside an archive"),
        (inside({"a.json": ROW}, ZIP_BZIP2), "is compressed with a method that is not supported"),
        (inside({"a.json": ROW})[:-10], "is not a complete zip archive"),
        (inside({"a.json": ROW})[:10], "is not a complete zip archive"),
    ],
    # Not by the content, which holds the time.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "events"
    path.write_bytes(content)
    with pytest.raises(FileRefused) as refusal:
        list(chunks(path))
    assert said in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_file_of_another_kind_further_on_is_named_behind_what_was_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": lines("1"), "b.csv": HEADER.encode()})
    found = chunks(path)
    assert [row[0] for row in next(found).rows] == ["1"]
    with pytest.raises(FileRefused, match=r"b\.csv in .*a\.zip is not JSON lines"):
        next(found)


def test_damage_inside_an_archive_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": lines(*map(str, range(500)))}, ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[1000:1010] = b"x" * 10
    path.write_bytes(data)
    with pytest.raises(FileRefused, match="is damaged: Bad CRC-32"):
        list(chunks(path))


def test_an_encrypted_file_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": lines("1")})
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(magic) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(FileRefused, match=r"a\.json in .* is encrypted"):
        list(chunks(path))


def test_a_list_of_files_takes_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", {f"{n}.json": b"" for n in range(100)})
    monkeypatch.setattr(archives, "_MAX_LIST", 1000)
    with pytest.raises(FileRefused, match="too many files"):
        list(chunks(path))


def test_files_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": lines("1"), "b.json": lines("2")})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = struct.pack("<I", 1)
    path.write_bytes(data)
    with pytest.raises(FileRefused, match="files in it overlap"):
        list(chunks(path))


def test_an_archive_that_comes_by_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(inside({"a.json": ROW}),))
    writer.start()
    with pytest.raises(FileRefused, match="is a zip archive, which cannot be read from a pipe"):
        list(chunks(pipe))
    writer.join()


@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_zstd_with_frames_of_others_is_read(tmp_path: Path, place: str) -> None:
    """pzstd begins with one that says how long the next is."""
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"size"
    data = [zstandard.compress(part) for part in (lines("1") + b"\n", lines("2"))]
    data.insert({"first": 0, "between": 1, "last": 2}[place], skipped)
    path = tmp_path / "events.json.zst"
    path.write_bytes(b"".join(data))
    assert names_and_lines(path) == [("1", 1), ("2", 2)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_json_lines_are_read_in_every_encoding_that_shows(
    tmp_path: Path, pack: Callable[[bytes], Any], encoding: str
) -> None:
    path = tmp_path / "events"
    path.write_bytes(pack((LINE % "новини" + "\r\n" + LINE % "2").encode(encoding)))
    assert names_and_lines(path) == [("новини", 1), ("2", 2)]


def test_json_lines_of_another_encoding_are_read_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes((LINE % "José").encode("latin-1"))
    [chunk] = chunks(path, encoding="latin-1")
    assert [row[0] for row in chunk.rows] == ["José"]
