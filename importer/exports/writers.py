"""A writer for each format: it turns blocks of events into a file that can be imported."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from analytics.export import Block
from config.building_blocks import csv_rows
from importer.mapping.columns import FIELDS

Format: TypeAlias = Literal["ndjson", "csv", "parquet"]

# The size of a Parquet row group: many rows compress well, but all of them are in memory.
_GROUP_ROWS = 100_000
_GROUP_BYTES = 32 * 1024 * 1024


class Stream(Protocol):
    """The file or stream that receives the bytes."""

    def write(self, data: Any, /) -> object: ...


class _Line(msgspec.Struct):
    event_id: str
    occurred_at: str
    user_id: str
    event_type: str
    properties: msgspec.Raw


_encode_lines = msgspec.json.Encoder().encode_lines


def _ndjson(blocks: Iterable[Block], stream: Stream) -> None:
    for block in blocks:
        texts = map(msgspec.Raw, block.properties)
        stream.write(_encode_lines(list(map(_Line, *block[:4], texts))))


def _csv(blocks: Iterable[Block], stream: Stream) -> None:
    text = io.StringIO(newline="")
    writer = csv_rows.writer(text)
    writer.writerow(FIELDS)
    for block in blocks:
        writer.writerows(zip(*block, strict=True))
        stream.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    stream.write(text.getvalue().encode())


def _parquet(blocks: Iterable[Block], stream: Stream) -> None:
    """After an error the file has no footer, so nobody can mistake a part for the whole."""
    import pyarrow  # noqa: PLC0415 - takes 0.2 s, for this format only
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    types = dict.fromkeys(FIELDS, pyarrow.string())
    types["occurred_at"] = pyarrow.timestamp("ms", "UTC")
    schema = pyarrow.schema(types)
    # Each id occurs once, so a dictionary of ids would cost time and save nothing.
    repeating = ["user_id", "event_type"]
    writer = ParquetWriter(stream, schema, compression="zstd", use_dictionary=repeating)
    for batches in _groups(_batch(block, schema) for block in blocks):
        writer.write_table(pyarrow.Table.from_batches(batches, schema))
    writer.close()


def _batch(block: Block, schema: Any) -> Any:
    import pyarrow  # noqa: PLC0415

    columns = [pyarrow.array(column, pyarrow.string()) for column in block]
    cast = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.record_batch(cast, schema=schema)


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        rows, size = sum(one.num_rows for one in group), sum(one.nbytes for one in group)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


WRITERS: Mapping[Format, Callable[[Iterable[Block], Stream], None]] = {
    "ndjson": _ndjson,
    "csv": _csv,
    "parquet": _parquet,
}
