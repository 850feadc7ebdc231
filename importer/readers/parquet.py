"""Rows of Apache Parquet."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from events.inspection import FieldError
from importer.chunks import CHUNK_ROWS, FileRefused, Raw, Reading
from importer.files import OpenFile
from importer.mapper import mapper, to_json
from importer.mapping import FIELDS, Fields
from importer.options import Options
from importer.rejects import RAW_COLUMN


def read(file: OpenFile, options: Options) -> Reading:
    """Every row; its line is its number. Times without a zone are UTC. Raises FileRefused."""
    from pyarrow import ArrowException  # noqa: PLC0415 - takes 0.2 s, for this format only
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    try:
        # Without buffering ahead, or a whole group of rows would be in memory.
        parquet = ParquetFile(file.source, pre_buffer=False, page_checksum_verification=True)
    except (ArrowException, OSError) as error:
        raise FileRefused(f"{file.name} is no whole Parquet file: {error}") from None
    mapping = options.mapping
    if wrong := mapping.wrong_columns(list(parquet.schema_arrow.names)):
        raise FileRefused(f"{file.name}: {wrong}")
    fields = _plain if mapping.is_plain else mapper(mapping)
    return Reading([RAW_COLUMN], _rows(file.name, parquet, fields))


def _rows(
    name: str, parquet: Any, fields: Callable[[Mapping[str, Any]], Fields]
) -> Iterator[tuple[int, Fields | str, Raw]]:
    from pyarrow import ArrowException  # noqa: PLC0415

    number = 0
    try:
        for batch in parquet.iter_batches(batch_size=CHUNK_ROWS):
            for row in _values(batch):
                number += 1
                try:
                    yield number, fields(row), row
                except FieldError as error:
                    yield number, str(error), row
    except (ArrowException, OSError) as error:
        raise FileRefused(f"{name} is damaged after row {number}: {error}") from error


def _plain(row: Mapping[str, Any]) -> Fields:
    """The fields of a row in the importer's own format."""
    event_id, occurred_at, user_id, event_type = (_text(row, name) for name in FIELDS[:4])
    properties = row.get("properties", row.get("properties_json"))
    if properties is None:
        properties = ""
    elif not isinstance(properties, str):
        properties = to_json(properties)
    return event_id, occurred_at, user_id, event_type, properties


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    code, problem = ("required", "missing") if value is None else ("type", "no text")
    raise FieldError(name, code, f"{name} is {problem}")


def _values(batch: Any) -> Iterator[dict[str, Any]]:
    columns = [_column(column) for column in batch.columns]
    names = batch.schema.names
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _column(column: Any) -> list[Any]:
    """A column's values as JSON has them: a time as ISO 8601 in UTC, a UUID as its text."""
    import pyarrow.compute  # noqa: PLC0415
    from pyarrow import timestamp, types  # noqa: PLC0415

    if types.is_timestamp(column.type):
        utc = column.cast(timestamp("ms", "UTC"), safe=False)
        texts: list[Any] = pyarrow.compute.strftime(utc, "%Y-%m-%dT%H:%M:%SZ").to_pylist()
        return texts
    values: list[Any] = column.to_pylist()
    if types.is_fixed_size_binary(column.type) and column.type.byte_width == 16:
        return [None if value is None else str(UUID(bytes=value)) for value in values]
    return [
        value.decode(errors="surrogateescape")
        if isinstance(value, bytes)
        else str(value)
        if isinstance(value, UUID)
        else value
        for value in values
    ]
