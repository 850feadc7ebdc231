"""What the readers of all formats give: rows in chunks, and what is wrong with the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from importer.mapping.columns import Fields

# Rows that are read, checked and compressed together.
CHUNK_ROWS = 1_000
# Rows may be large, good ones and bad ones: a chunk of such ends early, which bounds memory.
CHUNK_CHARACTERS = 4 * 1024 * 1024
# No row that can be imported has a longer line: properties take 64 KiB, or some times that where
# they are escaped and quoted. What is longer is passed over without being held in memory.
MAX_LINE = 1024 * 1024
# What is kept, to be shown, of a bad row that is longer.
_SHOWN = 1_000

# A row as its file has it: the cells of CSV, the text of a line of JSON, or values by column.
Raw: TypeAlias = Sequence[str] | Mapping[str, Any]


class FileRefused(Exception):
    """Why a file cannot be imported, or not to its end; the text names the file."""


class Interrupted(FileRefused):
    """What keeps a file from being read, or its rejected rows from being written, for the time
    being: a full disk, a share that is away.
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

    `rows` are the well-formed ones as text; `lines` says where each of them starts, and `raws` is
    how it stood there. Bytes that are not UTF-8 appear as lone surrogates (PEP 383). `characters`
    is the size of all rows as they stood, or somewhat more.
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

    A row is the number of its line, its fields or what is wrong with it, and how it stood there.
    """

    columns: Sequence[str]
    rows: Iterator[tuple[int, Fields | str, Raw]]


def chunked(rows: Iterable[tuple[int, Fields | str, Raw]]) -> Iterator[Chunk]:
    """The same rows in chunks. What was read before a FileRefused comes before it."""
    chunk = Chunk()
    try:
        for line, fields, raw in rows:
            # Joining is what adds lengths up fastest; a cell takes room even if it is empty.
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
    """About how many characters a value takes, with all that is in it."""
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
