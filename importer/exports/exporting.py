"""Export: the events of ClickHouse to a file that the importer reads."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, get_args

import psycopg
from django.db import DatabaseError

from analytics import export as cold
from analytics.export import Block
from analytics.segments.expressions import ALL, Segments
from events.auditing import inventory
from events.models import Batch
from importer.exports.output import STDOUT, Compression, output
from importer.exports.writers import WRITERS, Format

_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".ndjson", ".jsonl", ".json", ""), "ndjson"),
    ".csv": "csv",
    ".parquet": "parquet",
}
FORMATS: tuple[Format, ...] = get_args(Format)


class ExportRefused(ValueError):
    """An export that is not possible; the text says why."""


@dataclass(frozen=True)
class Export:
    """What to export and where to; both days are included. `watch` gets each block's event count.

    Without a `format`, the path's ending decides; a path without one gets JSON lines.
    """

    project: int
    path: Path = STDOUT
    format: Format | None = None
    start: date | None = None
    end: date | None = None
    segments: Segments = ALL
    overwrite: bool = False
    watch: Callable[[int], object] = lambda _events: None

    def __post_init__(self) -> None:
        if self.start and self.end and self.start > self.end:
            raise ExportRefused("--from is after --to")
        if not self.format and self._ending() not in _FORMATS:
            raise ExportRefused(
                f"{self.path}: the ending {self._ending()} is not known; use"
                f" {', '.join(filter(None, _FORMATS))}, each also with .gz or .zst except .parquet,"
                " or say what to write with --format"
            )
        if self.written_as() == "parquet" and self.compression():
            raise ExportRefused(
                f"{self.path}: Parquet is compressed already; use a name without .gz and .zst"
            )

    def written_as(self) -> Format:
        return self.format or _FORMATS[self._ending()]

    def compression(self) -> Compression:
        return _COMPRESSIONS.get(self.path.suffix.lower(), "")

    def _ending(self) -> str:
        """That of the name without .gz or .zst."""
        plain = self.path.with_suffix("") if self.compression() else self.path
        return plain.suffix.lower()


class Summary(NamedTuple):
    """`events` were written in `seconds`. `waiting` stored events were not yet confirmed by
    ClickHouse when the export began, so they may be missing; None if PostgreSQL could not be asked.
    """

    events: int
    seconds: float
    waiting: int | None


def export(order: Export) -> Summary:
    """Write the ordered events. A file is written completely or not at all.

    Raises OutputRefused, BrokenPipeError and ClickHouseError.
    """
    waiting, written = _waiting(order.project), 0
    started = time.monotonic()

    def counted(blocks: Generator[Block]) -> Iterator[Block]:
        nonlocal written
        for block in blocks:
            yield block
            written += len(block.event_id)
            order.watch(len(block.event_id))

    found = cold.events(
        project=order.project, start=order.start, end=order.end, segments=order.segments
    )
    with (
        output(order.path, compression=order.compression(), overwrite=order.overwrite) as stream,
        closing(found),
    ):
        WRITERS[order.written_as()](counted(found), stream)
    return Summary(written, time.monotonic() - started, waiting)


def _waiting(project: int) -> int | None:
    states = (Batch.State.PENDING, Batch.State.FAILED)
    try:
        return sum(inventory.waiting(project=project, state=state) for state in states)
    except (DatabaseError, psycopg.Error):
        return None
