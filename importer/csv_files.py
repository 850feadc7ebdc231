"""Rows of a CSV file (RFC 4180, UTF-8), with the lines they start on."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TextIO, TypeAlias

# Rows that are read, checked and compressed together.
CHUNK_ROWS = 1_000
# Properties may take 64 KiB each: a chunk of such ends early, which bounds memory.
CHUNK_CHARACTERS = 4 * 1024 * 1024

_REQUIRED = ("event_id", "occurred_at", "user_id", "event_type")
_PROPERTIES = ("properties_json", "properties")

Fields: TypeAlias = tuple[str, str, str, str, str]


class FileRefused(Exception):
    """Why a file cannot be imported at all; the text names the file."""


class BadRow(NamedTuple):
    """A row that is not imported, and why; `line` counts the lines of the file from 1."""

    line: int
    reason: str


@dataclass(slots=True)
class Chunk:
    """Consecutive rows of a file.

    `rows` are the well-formed ones, each event_id, occurred_at, user_id, event_type and properties
    as text, and `lines` where each of them starts. Bytes that are not UTF-8 appear as lone
    surrogates (PEP 383). `characters` is the size of all properties.
    """

    rows: list[Fields] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    characters: int = 0


def chunks(path: Path) -> Iterator[Chunk]:
    """Every row after the header, in order; empty lines are no rows.

    Memory does not grow with the file. Raises FileRefused.
    """
    try:
        # newline="": the CSV reader knows line ends from line breaks inside quotes.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _chunks(_rows(file), path)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error


def _chunks(rows: Iterator[tuple[int, list[str] | csv.Error]], path: Path) -> Iterator[Chunk]:
    width, pick = _columns(rows, path)
    chunk = Chunk()
    for line, row in rows:
        if isinstance(row, csv.Error):
            chunk.bad.append(BadRow(line, f"not well-formed CSV: {row}"))
        elif len(row) != width:
            reason = f"{len(row)} columns, where the header has {width}"
            chunk.bad.append(BadRow(line, reason))
        else:
            fields = pick(row)
            chunk.rows.append(fields)
            chunk.lines.append(line)
            chunk.characters += len(fields[4])
        full = len(chunk.rows) + len(chunk.bad) >= CHUNK_ROWS
        if full or chunk.characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk = Chunk()
    yield chunk


def _rows(file: TextIO) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row, or what is wrong with it, behind the number of its first line.

    A quote left open runs on into the rows below: of a row that cannot be parsed only the first
    line is given up, the others are read again as rows of their own.
    """
    number = 1
    again: list[str] = []
    while True:
        taken: list[str] = []
        try:
            for row in csv.reader(_lines(again, file, taken), strict=True):
                if row:
                    yield number, row
                number += len(taken)
                taken.clear()
            return
        except csv.Error as error:
            yield number, error
            number += 1
            again += reversed(taken[1:])


def _lines(again: list[str], file: TextIO, taken: list[str]) -> Iterator[str]:
    """The lines to be read again, last one first, then those of the file; noted in `taken`."""
    while again:
        taken.append(again.pop())
        yield taken[-1]
    for line in file:
        taken.append(line)
        yield line


def _columns(
    rows: Iterator[tuple[int, list[str] | csv.Error]], path: Path
) -> tuple[int, Callable[[Sequence[str]], Fields]]:
    """The header's width, and what picks the fields out of a row. Raises FileRefused."""
    _, header = next(rows, (1, None))
    if header is None:
        raise FileRefused(f"{path} is empty: it has no header")
    if isinstance(header, csv.Error) or not _is_text(header):
        raise FileRefused(f"{path} does not start with a header of CSV in UTF-8")
    names = [name.strip().lower() for name in header]
    if wrong := _wrong_columns(names):
        raise FileRefused(f"{path}: {wrong}")
    wanted = [names.index(name) for name in (*_REQUIRED, *_PROPERTIES) if name in names]
    if len(wanted) > len(_REQUIRED):
        return len(names), itemgetter(*wanted)
    # Without a column for them, properties are empty, as over HTTP.
    some = itemgetter(*wanted)
    return len(names), lambda row: (*some(row), "")


def _is_text(names: Sequence[str]) -> bool:
    """Whether these came from UTF-8, and not from UTF-16 or something binary."""
    text = "".join(names)
    return text.encode(errors="replace").decode() == text and "\0" not in text


def _wrong_columns(names: Sequence[str]) -> str:
    """What is wrong with the header, if anything; a column nobody reads would be data lost."""
    known = (*_REQUIRED, *_PROPERTIES)
    if missing := [name for name in _REQUIRED if name not in names]:
        return f"the header has no {', '.join(missing)}; it reads {','.join(names)[:200]!r}"
    if unknown := [name for name in names if name not in known]:
        return f"unknown column {', '.join(map(repr, unknown))[:200]}; known are {', '.join(known)}"
    if twice := [name for name in known if names.count(name) > 1]:
        return f"column {twice[0]} appears twice"
    if all(name in names for name in _PROPERTIES):
        return "both properties_json and properties are there; one of them is enough"
    return ""
