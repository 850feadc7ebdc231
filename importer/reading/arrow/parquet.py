"""Rows of Apache Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from events.format.inspection import FieldError
from importer.mapping.columns import ColumnMap, Fields, ambiguous
from importer.mapping.json_values import to_json
from importer.mapping.mapper import as_text, mapper
from importer.mapping.options import Options
from importer.reading.arrow.sizes import is_small, largest, sizes
from importer.reading.arrow.values import Convert, UnknownType, converter, ids, is_bytes
from importer.reading.chunks import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    MAX_LINE,
    FileRefused,
    Raw,
    Reading,
)
from importer.reading.files import OpenFile
from importer.reading.rejects import RAW_COLUMN

# How many bytes a batch may take if every row has the longest value of each column.
_ROOM = 32 * 1024 * 1024
_MAX_COLUMN = 2 * 1024 * 1024 * 1024
# Elements of lists in a row group. One row may have all of them, and a file of 2 KB 50 million.
_MAX_ELEMENTS = 16 * 1024 * 1024
# What a row costs, whatever its values: a file of 120 KB may have 50 million rows.
_ROW_BYTES = 100
# All values together may take _TIMES the file's size plus _BESIDES bytes. A value that a file of a
# few KB stores once may belong to a million rows. Compressed text grows by this factor at most.
_TIMES, _BESIDES = 1_000, 1024 * 1024 * 1024
# The footer at the end of a file describes its columns and row groups, each in about a hundred
# bytes. In memory it takes up to fifty times as much: 50,000 columns took 450 MB.
_MAX_FOOTER_BYTES = 4 * 1024 * 1024
# If a row is too large, only its values of up to this many bytes are shown.
_SHOWN = 1_000
_READING = {
    # With pre-buffering, a whole row group would be in memory.
    "pre_buffer": False,
    "page_checksum_verification": True,
    # Old writers counted in nanoseconds, in which the year 9999 overflows into another year.
    "coerce_int96_timestamp_unit": "us",
    # The meaning of a Parquet type is taken from the Parquet schema instead.
    "arrow_extensions_enabled": False,
}


def read(file: OpenFile, options: Options) -> Reading:
    """Every row; its line is the row's number. Times without a zone are UTC. Raises FileRefused."""
    from pyarrow import ArrowException  # noqa: PLC0415 - takes 0.2 s, for this format only
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    if footer_bytes(file) > _MAX_FOOTER_BYTES:
        raise FileRefused(
            f"{file.name} has too many columns and row groups: its footer is larger than 4 MiB"
        )
    try:
        parquet = ParquetFile(file.source, **_READING)
    except (ArrowException, OSError) as error:
        raise FileRefused(f"{file.name} is not a complete Parquet file: {error}") from None
    mapping = options.mapping
    names = list(parquet.schema_arrow.names)
    if wrong := ambiguous(names, mapping) or mapping.wrong_columns(names):
        raise FileRefused(f"{file.name}: {wrong}")
    fields = _plain if mapping.is_plain else mapper(mapping)
    converters = _converters(file.name, parquet, mapping)
    return Reading([RAW_COLUMN], _rows(file, parquet, converters, fields))


def footer_bytes(file: OpenFile) -> int:
    """The footer's size in bytes, as the file states it; 0 if the file is cut short."""
    place = file.source.tell()
    try:
        # A file ends with four bytes of length, then the same four bytes that it begins with.
        file.source.seek(max(0, file.size - 8))
        end = file.source.read(8)
    finally:
        file.source.seek(place)
    return int.from_bytes(end[:4], "little") if end[4:] == b"PAR1" else 0


def _rows(
    file: OpenFile,
    parquet: Any,
    converters: Sequence[Convert],
    fields: Callable[[Mapping[str, Any]], Fields],
) -> Iterator[tuple[int, Fields | str, Raw]]:
    from pyarrow import ArrowException  # noqa: PLC0415

    number, all_rows, size = 0, max(parquet.metadata.num_rows, 1), file.size
    left = _BESIDES + _TIMES * size
    # Columns are read from many places in the file, so the progress is counted in rows.
    file.position = lambda: size * number // all_rows
    try:
        for batch in _batches(file, parquet):
            found = [] if is_small(batch) else [sizes(it).to_pylist() for it in batch.columns]
            left -= max(_ROW_BYTES * len(batch), sum(map(sum, found)) if found else batch.nbytes)
            if left < 0:
                raise FileRefused(
                    f"{file.name}: stopped after row {number}, because the values take more than"
                    f" 1 GiB plus {_TIMES:,} times the size of the file"
                )
            for row, problem in _values(batch, converters, found):
                number += 1
                try:
                    yield number, problem or fields(row), row
                except FieldError as error:
                    yield number, str(error), row
    except (ArrowException, OSError, RecursionError) as error:
        raise FileRefused(f"{file.name} is damaged after row {number}: {error}") from error


def _batches(file: OpenFile, parquet: Any) -> Iterator[Any]:
    """Batches of rows that fit in memory, even if dictionaries expand to large values."""
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    metadata = parquet.metadata
    columns = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    texts = [column for column in columns if column.physical_type == "BYTE_ARRAY"]
    # Columns read as dictionaries keep each value once, however many rows have it.
    once = ParquetFile(
        file.source,
        metadata=metadata,
        read_dictionary=[column.path for column in texts],
        **_READING,
    )
    for group in range(metadata.num_row_groups):
        _refuse_huge(file.name, metadata.row_group(group), columns)
        longest = sum(max(0, column.length or 0) for column in columns)
        for column in texts:
            length = _longest(once, group, column.path)
            if column.max_repetition_level and length * _most(metadata.row_group(group)) > _ROOM:
                length = largest(once, group, column.path)
            if length > _ROOM and column.max_repetition_level:
                raise FileRefused(
                    f"{file.name}: column {column.path[:80]} has a list of more than 32 MiB"
                )
            longest += length
        size = max(1, min(CHUNK_ROWS, _ROOM // max(1, longest)))
        yield from parquet.iter_batches(batch_size=size, row_groups=[group])


def _refuse_huge(name: str, group: Any, columns: Sequence[Any]) -> None:
    """Raises FileRefused if a batch could not be held in memory. `columns` are the schema's."""
    elements = 0
    for index, described in enumerate(columns):
        column = group.column(index)
        elements += column.num_values if described.max_repetition_level else 0
        # Repeated values in a list take no room in the file, so count at least 8 bytes for each.
        if max(column.total_uncompressed_size, 8 * column.num_values) > _MAX_COLUMN:
            raise FileRefused(
                f"{name}: column {column.path_in_schema[:80]} takes more than 2 GiB in one row"
                " group"
            )
    if elements > _MAX_ELEMENTS:
        raise FileRefused(
            f"{name}: the lists of one row group have more than {_MAX_ELEMENTS:,} elements"
        )


def _most(group: Any) -> int:
    """The largest number of values that a column has in a row group, counting list elements."""
    counts: list[int] = [group.column(index).num_values for index in range(group.num_columns)]
    return max(counts, default=0)


def _longest(once: Any, group: int, path: str) -> int:
    """The length of the longest value in a column's dictionary, in bytes."""
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
    event_id, occurred_at = _text(row, "event_id"), _text(row, "occurred_at")
    user_id, event_type = (as_text(name, _present(row, name)) for name in ("user_id", "event_type"))
    properties = row.get("properties", row.get("properties_json"))
    if properties is None:
        properties = ""
    elif not isinstance(properties, str):
        properties = to_json(properties)
    return event_id, occurred_at, user_id, event_type, properties


def _text(row: Mapping[str, Any], name: str) -> str:
    value = _present(row, name)
    if isinstance(value, str):
        return value
    raise FieldError(name, "type", f"{name} must be text")


def _present(row: Mapping[str, Any], name: str) -> Any:
    if (value := row.get(name)) is None:
        raise FieldError(name, "required", f"{name} is missing")
    return value


def _converters(name: str, parquet: Any, mapping: ColumnMap) -> list[Convert]:
    """The function that converts each column to values. Raises FileRefused."""
    columns = range(parquet.metadata.num_columns)
    leaves = iter([parquet.schema.column(index) for index in columns])
    event_ids = mapping.columns_of("event_id")
    found = []
    for field in parquet.schema_arrow:
        try:
            convert = converter(field.type, leaves)
        except UnknownType as error:
            column = f"column {field.name[:80]!r}"
            raise FileRefused(
                f"{name}: {column} has a type that cannot be written as JSON: {error}"
            ) from None
        is_id = field.name in event_ids and is_bytes(field.type)
        found.append(ids if is_id else convert)
    return found


def _values(
    batch: Any, converters: Sequence[Convert], sizes: Sequence[Sequence[int]]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Each row by column, and what is wrong with it. A row that is too large lacks large values.

    `sizes` has the sizes of each column's values; it is empty if no row can be large.
    """
    names = batch.schema.names
    totals = [sum(row) for row in zip(*sizes, strict=True)]
    if sum(totals) <= CHUNK_CHARACTERS and max(totals, default=0) <= MAX_LINE:
        try:
            pairs = zip(converters, batch.columns, strict=True)
            columns = [convert(column) for convert, column in pairs]
        except FieldError:
            pass  # the code below converts row by row and reports the bad ones
        else:
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True)), ""
            return
    for index in range(len(batch)):
        yield _row(batch.slice(index, 1), converters, [size[index] for size in sizes])


def _row(
    batch: Any, converters: Sequence[Convert], sizes: Sequence[int]
) -> tuple[dict[str, Any], str]:
    """The only row of a batch, and what is wrong with it."""
    large = sum(sizes) > MAX_LINE
    problem = f"the row has more than {MAX_LINE} bytes" if large else ""
    row: dict[str, Any] = {}
    for index, (name, convert) in enumerate(zip(batch.schema.names, converters, strict=True)):
        if large and sizes[index] > _SHOWN:
            continue
        try:
            [row[name]] = convert(batch.column(index))
        except FieldError as error:
            problem = problem or f"{name}: {error}"
    return row, problem
