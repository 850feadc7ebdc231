"""What the readers of all formats return: chunks of rows, and bad rows with their reasons."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from importer.mapping.columns import Fields

# Rows that are read, checked and compressed together.
CHUNK_ROWS = 1_000
# Rows, good or bad, may be large: a chunk also ends at this size, which bounds memory.
CHUNK_CHARACTERS = 4 * 1024 * 1024
# No valid row has a longer line: properties take at most 64 KiB, or a few times that if they are
# escaped and quoted. A longer line is skipped and not held in memory.
MAX_LINE = 1024 * 1024
# How many characters of a longer bad row are kept for display.
_SHOWN = 1_000

# A row as its file has it: the cells of CSV, the text of a line of JSON, or values by column.
Raw: TypeAlias = Sequence[str] | Mapping[str, Any]


class FileRefused(Exception):
    """A file cannot be imported, or not to its end; the text names the file and the reason."""


class Interrupted(FileRefused):
    """A problem that may pass: the file can't be read, or its rejected rows can't be written now.
    Examples are a full disk and a network share that is offline.
    """


class BadRow(NamedTuple):
    """A row that is not imported, and why.

    `line` counts the lines of the file from 1, or the rows of Parquet.
    """

    line: int
    reason: str
    raw: Raw


@dataclass(slots=True)
class Chunk:
    """Consecutive rows of a file.

    `rows` are the well-formed rows as text. `lines` has the line where each of these rows starts,
    and `raws` has each row as the file has it. Bytes that are not UTF-8 appear as lone surrogates
    (PEP 383). `characters` is the size of all rows in the file, or a little more.
    """

    rows: list[Fields] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    characters: int = 0

    @property
    def read(self) -> int:
        return len(self.rows) + len(self.bad)


class Reading(NamedTuple):
    """A file being read: the columns that its raw rows have, and its rows in order.

    A row is three values: the number of its line, its fields or what is wrong with it, and the row
    as the file has it.
    """

    columns: Sequence[str]
    rows: Iterator[tuple[int, Fields | str, Raw]]


def chunked(rows: Iterable[tuple[int, Fields | str, Raw]]) -> Iterator[Chunk]:
    """The same rows in chunks. Rows read before a FileRefused are returned before it is raised."""
    chunk = Chunk()
    try:
        for line, fields, raw in rows:
            # Joining is the fastest way to add up lengths. The commas count for empty cells.
            size = len(",".join(raw)) if type(raw) is list else _size(raw)
            if isinstance(fields, str):
                kept = raw if size <= MAX_LINE else _shown(raw)
                chunk.bad.append(BadRow(line, fields, kept))
                chunk.characters += min(size, MAX_LINE)
            else:
                chunk.rows.append(fields)
                chunk.lines.append(line)
                chunk.raws.append(raw)
                chunk.characters += size
            if chunk.characters >= CHUNK_CHARACTERS or chunk.read >= CHUNK_ROWS:
                yield chunk
                chunk = Chunk()
    except FileRefused:
        yield chunk
        raise
    yield chunk


def _size(value: Any) -> int:
    """About how many characters a value takes, including nested values."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(name) + _size(inner) for name, inner in value.items())
    return sum(map(_size, value)) + len(value) if isinstance(value, list | tuple) else 8


def _shown(raw: Raw) -> Raw:
    """The start of a row, or of each of its columns."""
    if isinstance(raw, Mapping):
        return {name: str(value)[:_SHOWN] for name, value in raw.items()}
    return ["".join(raw)[:_SHOWN]]
