"""Checks a file's rows and groups them: a batch shares a transaction and a ClickHouse block."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from events.format.inspection import LATEST_AHEAD, EventError
from events.format.records import frame
from events.ingest import property_schemas, rules
from importer.reading.chunks import BadRow, Chunk, FileRefused
from importer.running.rows import check

# A batch ends at either size. The characters are those of the file; they bound memory if rows are
# large. Large blocks cost ClickHouse less CPU for a row. But while a small file is read, stored and
# delivered in small batches, these steps run side by side.
BATCH_ROWS, SMALL_BATCH_ROWS = 50_000, 20_000
# A large file has batches of this part of what was read before.
_PART = 4
BATCH_CHARACTERS = 16 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """Consecutive rows. `frames` hold the valid rows, `bad` the others. When the batch was
    complete, `end` rows and `position` bytes of the file had been read.
    """

    frames: list[bytes] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    read: int = 0
    end: int = 0
    position: int = 0
    characters: int = 0


def without(chunks: Iterable[Chunk], rows: int) -> Iterator[Chunk]:
    """The rows after the first `rows` rows; a chunk is cut if it has rows of both kinds."""
    for chunk in chunks:
        skipped = min(rows, chunk.read)
        rows -= skipped
        if not skipped:
            yield chunk
        elif skipped < chunk.read:
            yield _behind(chunk, skipped)


def _behind(chunk: Chunk, rows: int) -> Chunk:
    """A chunk without its first `rows` rows; good and bad rows count, in order of their lines."""
    bad = [row.line for row in chunk.bad]
    last = sorted(chunk.lines + bad)[rows - 1]
    good = bisect_right(chunk.lines, last)
    return Chunk(
        chunk.rows[good:],
        chunk.lines[good:],
        chunk.raws[good:],
        chunk.bad[bisect_right(bad, last) :],
        chunk.characters,
    )


def batches(
    chunks: Iterable[Chunk], *, project: int, bad_at_most: int | None = None
) -> Iterator[Batch]:
    """Every row in order, checked by the rules of a project. The caller sets `end` and `position`.

    With `bad_at_most`, a batch also ends once it holds more bad rows than that. Rows read before a
    FileRefused are returned before it is raised.
    """
    batch, read, size = Batch(), 0, min(SMALL_BATCH_ROWS, BATCH_ROWS)
    try:
        for chunk in chunks:
            _add(batch, chunk, project)
            many = bad_at_most is not None and len(batch.bad) > bad_at_most
            if batch.read >= size or batch.characters >= BATCH_CHARACTERS or many:
                yield batch
                read += batch.read
                size = min(max(size, read // _PART), BATCH_ROWS)
                batch = Batch()
    except FileRefused:
        yield batch
        raise
    yield batch


def _add(batch: Batch, chunk: Chunk, project: int) -> None:
    found = check(chunk.rows, latest=datetime.now(UTC) + LATEST_AHEAD)
    try:
        checked = rules.apply(found, project=project)
    except property_schemas.Unusable as error:
        raise FileRefused(
            f"stopped: {error}; import the file again to store the remaining rows"
        ) from None
    bad = [
        BadRow(chunk.lines[error.index], _reason(error), chunk.raws[error.index])
        for error in checked.errors
    ]
    batch.bad += sorted(chunk.bad + bad, key=lambda row: row.line) if bad else chunk.bad
    if checked.records:
        batch.frames.append(frame(checked.records))
    batch.read += chunk.read
    batch.characters += chunk.characters


def _reason(error: EventError) -> str:
    field, message = error.field or "", error.message
    return message if field in message else f"{field}: {message}"
