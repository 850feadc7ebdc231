"""What the readers of all formats give: rows in chunks, and what is wrong with the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from importer.mapping import Fields

# Rows that are read, checked and compressed together.
CHUNK_ROWS = 1_000
# Properties may take 64 KiB each: a chunk of such ends early, which bounds memory.
CHUNK_CHARACTERS = 4 * 1024 * 1024
# No row that can be imported has a longer line: properties take 64 KiB, or some times that where
# they are escaped and quoted. What is longer is passed over without being held in memory.
MAX_LINE = 1024 * 1024

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
    is the size of all properties.
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
            if isinstance(fields, str):
                chunk.bad.append(BadRow(line, fields, raw))
            else:
                chunk.rows.append(fields)
                chunk.lines.append(line)
                chunk.raws.append(raw)
                chunk.characters += len(fields[4])
            if chunk.read >= CHUNK_ROWS or chunk.characters >= CHUNK_CHARACTERS:
                yield chunk
                chunk = Chunk()
    except FileRefused:
        yield chunk
        raise
    yield chunk
