"""Rows are told apart by LF, CRLF, CR or all of them, however long they are: none is lost."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard

from importer.models import Import
from importer.reading import lines
from importer.reading.chunks import MAX_LINE, Chunk
from tests.importer.importing import import_events, refused, rows_of
from tests.importer.reading.formats import HEADER, chunks
from tests.stored import counts

ENDS: dict[str, Sequence[str]] = {
    "LF": ["\n"],
    "CRLF": ["\r\n"],
    "CR": ["\r"],
    "mixed": ["\r", "\n", "\r\n"],
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
}


def csv_row(name: str, padding: str = "") -> str:
    return f'{name},at,user,type,"{{""text"": ""{padding}""}}"'


def json_row(name: str, padding: str = "") -> str:
    fields = {"event_id": name, "occurred_at": "at", "user_id": "user", "event_type": "type"}
    return json.dumps({**fields, "properties": {"text": padding}})


ROWS = {"CSV": csv_row, "JSON": json_row}


def joined(rows: Sequence[str], ends: Sequence[str]) -> str:
    return "".join(row + ends[n % len(ends)] for n, row in enumerate(rows))


def read(path: Path, text: str, compress: Callable[[bytes], bytes] = bytes) -> list[Chunk]:
    path.write_bytes(compress(text.encode()))
    return list(chunks(path))


def names_and_lines(found: Sequence[Chunk]) -> list[tuple[str, int]]:
    rows = [(chunk, n) for chunk in found for n in range(len(chunk.rows))]
    return [(chunk.rows[n][0], chunk.lines[n]) for chunk, n in rows]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", ROWS)
def test_rows_behind_one_that_is_too_long_are_kept(
    tmp_path: Path, form: str, compression: str, end: str
) -> None:
    row, head = ROWS[form], [HEADER.strip()] if form == "CSV" else []
    rows = [row("a"), row("long", "x" * 3 * MAX_LINE), row("b"), "bad", row("c")]
    text = joined([*head, *rows], ENDS[end])
    found = read(tmp_path / "events", text, COMPRESSIONS[compression])
    first = len(head) + 1
    assert names_and_lines(found) == [("a", first), ("b", first + 2), ("c", first + 4)]
    assert [bad.line for chunk in found for bad in chunk.bad] == [first + 1, first + 3]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("over", range(-3, 3))
@pytest.mark.parametrize("form", ROWS)
def test_a_row_about_as_long_as_may_be_is_one_row(
    tmp_path: Path, form: str, over: int, end: str
) -> None:
    row, head = ROWS[form], [HEADER.strip()] if form == "CSV" else []
    padding = "x" * (MAX_LINE + over - len(row("long")))
    rows = [row("long", padding), row("a"), row("long", padding), row("long", padding), row("b")]
    found = read(tmp_path / "events", joined([*head, *rows], ENDS[end]))
    first = len(head) + 1
    bad = [line for chunk in found for line in (row.line for row in chunk.bad)]
    good = names_and_lines(found)
    assert sorted([*bad, *(line for _, line in good)]) == list(range(first, first + 5))
    assert ("a", first + 1) in good
    assert ("b", first + 4) in good
    # Its end counts as a part of it.
    assert bool(bad) is (over >= 0)


@pytest.mark.parametrize("end", ENDS)
def test_line_ends_inside_quotes_stay_as_they_are(tmp_path: Path, end: str) -> None:
    inside = "\r, \n, \r\n and \n\r"
    rows = [HEADER.strip(), f'a,at,"{inside}",type,{{}}', csv_row("b")]
    [chunk] = read(tmp_path / "events.csv", joined(rows, ENDS[end]))
    assert [row[2] for row in chunk.rows] == [inside, "user"]
    assert chunk.bad == []


def test_a_crlf_that_two_pieces_share_is_one_line_end(tmp_path: Path) -> None:
    """Files are decoded 64 KiB at a time, after a decompressor's pieces of its own."""
    for form, row in ROWS.items():
        head = HEADER.strip() + "\r\n" if form == "CSV" else ""
        for size in range(64 * 1024 - 3, 64 * 1024 + 3):
            padding = "x" * (size - len(head) - len(row("a")))
            text = head + joined([row("a", padding), row("b"), row("c")], ["\r\n"])
            first = 2 if head else 1
            assert names_and_lines(read(tmp_path / "events", text, gzip.compress)) == [
                *(("a", first), ("b", first + 1), ("c", first + 2)),
            ]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("end", ["CR", "mixed"])
def test_what_is_read_is_stored_duplicate_or_bad_also_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    rows = [",".join(row[:4]) for row in rows_of(2300)]
    rows = [*rows[:1500], "x" * 2 * MAX_LINE, "bad", *rows[1500:], *rows[:50]]
    path = tmp_path / "events.csv"
    text = joined(["event_id,occurred_at,user_id,event_type", *rows], ENDS[end])
    path.write_bytes(text.encode())
    refused(path, "--max-errors", "0")
    assert 0 < Import.objects.get().read < len(rows)
    printed, _ = import_events(path)
    assert f"read {len(rows)}, stored 2300, duplicate 50, bad 2" in printed
    assert counts() == (2300, 2300, 2300)


@pytest.mark.parametrize("after", ["next\n", "\nnext\n"], ids=["CR", "CRLF"])
def test_a_line_that_is_too_long_ends_where_a_piece_of_the_file_ends_in_cr(after: str) -> None:
    pieces = ["x" * MAX_LINE, "x" * 9, "x\r", after, "last"]
    found = [line for some in lines._split(pieces) for line in some]
    assert found == ["x" * MAX_LINE, "next\n", "last"]
