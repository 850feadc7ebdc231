"""Rows of Apache Parquet."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from events.inspection import FieldError
from importer.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, MAX_LINE, FileRefused, Raw, Reading
from importer.files import OpenFile
from importer.mapper import mapper, to_json
from importer.mapping import FIELDS, Fields, ambiguous
from importer.options import Options
from importer.rejects import RAW_COLUMN

# What the longest values of a batch's rows may take.
_ROOM = 32 * 1024 * 1024
_MAX_COLUMN = 2 * 1024 * 1024 * 1024
# What stands at the end of a file: its columns and groups of rows, each of which is a hundred
# bytes there. Read it takes up to fifty times as much memory: 50,000 columns took 450 MB.
_MAX_FOOTER_BYTES = 4 * 1024 * 1024
# Of a row that is too large, which values are shown.
_SHOWN = 1_000


def read(file: OpenFile, options: Options) -> Reading:
    """Every row; its line is its number. Times without a zone are UTC. Raises FileRefused."""
    from pyarrow import ArrowException  # noqa: PLC0415 - takes 0.2 s, for this format only
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    if footer_bytes(file) > _MAX_FOOTER_BYTES:
        raise FileRefused(f"{file.name} describes more columns and row groups than 4 MiB can hold")
    try:
        # Without buffering ahead, or a whole group of rows would be in memory.
        parquet = ParquetFile(file.source, pre_buffer=False, page_checksum_verification=True)
    except (ArrowException, OSError) as error:
        raise FileRefused(f"{file.name} is no whole Parquet file: {error}") from None
    mapping = options.mapping
    names = list(parquet.schema_arrow.names)
    if wrong := ambiguous(names, mapping) or mapping.wrong_columns(names):
        raise FileRefused(f"{file.name}: {wrong}")
    fields = _plain if mapping.is_plain else mapper(mapping)
    return Reading([RAW_COLUMN], _rows(file, parquet, fields))


def footer_bytes(file: OpenFile) -> int:
    """How large the file says that its footer is; 0 where it is cut short."""
    place = file.source.tell()
    try:
        # Four bytes of length, then the four that the file begins with.
        file.source.seek(max(0, file.size - 8))
        end = file.source.read(8)
    finally:
        file.source.seek(place)
    return int.from_bytes(end[:4], "little") if end[4:] == b"PAR1" else 0


def _rows(
    file: OpenFile, parquet: Any, fields: Callable[[Mapping[str, Any]], Fields]
) -> Iterator[tuple[int, Fields | str, Raw]]:
    from pyarrow import ArrowException  # noqa: PLC0415

    number, all_rows, size = 0, max(parquet.metadata.num_rows, 1), file.size
    # The file is read by columns, from here and there: rows tell how far it is.
    file.position = lambda: size * number // all_rows
    try:
        for batch in _batches(file, parquet):
            for row, problem in _values(batch):
                number += 1
                try:
                    yield number, problem or fields(row), row
                except FieldError as error:
                    yield number, str(error), row
    except (ArrowException, OSError, RecursionError) as error:
        raise FileRefused(f"{file.name} is damaged after row {number}: {error}") from error


def _batches(file: OpenFile, parquet: Any) -> Iterator[Any]:
    """Rows, as many at once as memory has room for whatever dictionaries make of them."""
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    metadata = parquet.metadata
    columns = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    texts = [column for column in columns if column.physical_type == "BYTE_ARRAY"]
    # Columns read like this keep each value once, however many rows have it.
    once = ParquetFile(
        file.source,
        metadata=metadata,
        read_dictionary=[column.path for column in texts],
        pre_buffer=False,
        page_checksum_verification=True,
    )
    for group in range(metadata.num_row_groups):
        _refuse_huge(file.name, metadata.row_group(group))
        longest = 0
        for column in texts:
            length = _longest(once, group, column.path)
            if length > MAX_LINE and column.max_repetition_level:
                raise FileRefused(f"{file.name}: {column.path[:80]} has lists of huge values")
            longest += length
        size = max(1, min(CHUNK_ROWS, _ROOM // max(1, longest)))
        yield from parquet.iter_batches(batch_size=size, row_groups=[group])


def _refuse_huge(name: str, group: Any) -> None:
    for index in range(group.num_columns):
        column = group.column(index)
        if column.total_uncompressed_size > _MAX_COLUMN:
            raise FileRefused(
                f"{name}: {column.path_in_schema[:80]} takes more than 2 GiB in one row group"
            )


def _longest(once: Any, group: int, path: str) -> int:
    """How long the longest value of a column's dictionary is."""
    from pyarrow import compute  # noqa: PLC0415

    for batch in once.iter_batches(batch_size=CHUNK_ROWS, row_groups=[group], columns=[path]):
        values = _dictionary(batch.column(0))
        if values is not None and len(values):
            longest: int = compute.max(compute.binary_length(values)).as_py() or 0
            return longest
    return 0


def _dictionary(array: Any) -> Any:
    """The values of a column's dictionary, through lists and objects of one field."""
    from pyarrow import types  # noqa: PLC0415

    while not types.is_dictionary(array.type):
        if types.is_struct(array.type):
            array = array.field(0)
        elif types.is_nested(array.type) and hasattr(array, "values"):
            array = array.values
        else:
            return None
    return array.dictionary


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


def _values(batch: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each row by column, and what is wrong with it; one too large is not made into values."""
    names = batch.schema.names
    # Of few bytes no row is large, unless a dictionary makes it so.
    sizes = [] if _is_small(batch) else [_sizes(column) for column in batch.columns]
    totals = [sum(row) for row in zip(*sizes, strict=True)]
    if sum(totals) <= CHUNK_CHARACTERS and max(totals, default=0) <= MAX_LINE:
        columns = [_column(column) for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True)), ""
        return
    for index, total in enumerate(totals):
        small = total <= MAX_LINE
        yield (
            {
                name: _column(column.slice(index, 1))[0]
                for name, column, size in zip(names, batch.columns, sizes, strict=True)
                if small or size[index] <= _SHOWN
            },
            "" if small else f"a row of more than {MAX_LINE} bytes",
        )


def _is_small(batch: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415

    return batch.nbytes <= MAX_LINE and not any(map(types.is_dictionary, batch.schema.types))


def _sizes(column: Any) -> list[int]:
    """How many bytes each of a column's values takes, before they are made."""
    from pyarrow import compute, types  # noqa: PLC0415

    kind = column.type
    if types.is_dictionary(kind) and _is_text(kind.value_type):
        lengths = compute.binary_length(column.dictionary).take(column.indices)
    elif _is_text(kind):
        lengths = compute.binary_length(column)
    elif types.is_nested(kind) and column.nbytes > MAX_LINE:
        return [column.slice(index, 1).nbytes for index in range(len(column))]
    else:
        return [8] * len(column)
    sizes: list[int] = lengths.fill_null(0).to_pylist()
    return sizes


def _is_text(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415

    is_binary = types.is_binary(kind) or types.is_large_binary(kind)
    return bool(is_binary or types.is_string(kind) or types.is_large_string(kind))


def _column(column: Any) -> list[Any]:
    """A column's values as JSON has them: a time as ISO 8601 in UTC, a UUID as its text."""
    from pyarrow import compute, timestamp, types  # noqa: PLC0415

    if types.is_timestamp(column.type):
        utc = column.cast(timestamp("ms", "UTC"), safe=False)
        texts: list[Any] = compute.strftime(utc, "%Y-%m-%dT%H:%M:%SZ").to_pylist()
        return texts
    values = _python(column)
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


def _python(column: Any) -> list[Any]:
    """The values; what is not UTF-8, or no date, costs its own row only."""
    from pyarrow import binary, types  # noqa: PLC0415

    try:
        values: list[Any] = column.to_pylist()
        return values
    except (ValueError, OverflowError):
        if types.is_string(column.type):
            return list(column.cast(binary()).to_pylist())
        if len(column) > 1:
            return [_python(column.slice(index, 1))[0] for index in range(len(column))]
        # Which no field of an event may be.
        return ["\udcff"]
