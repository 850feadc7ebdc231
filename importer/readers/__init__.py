"""A reader for each format: from an open file to rows."""

from collections.abc import Iterator

from importer.chunks import Chunk, chunked
from importer.files import OpenFile, reading
from importer.options import Options
from importer.readers import delimited, json_lines, parquet

_READERS = {
    "delimited": delimited.read,
    "json_lines": json_lines.read,
    "parquet": parquet.read,
}


def columns_and_chunks(file: OpenFile, options: Options) -> tuple[list[str], Iterator[Chunk]]:
    """The columns of the file's raw rows, and every row in order. Raises FileRefused, both at once
    and while chunks are taken; memory does not grow with the file.
    """
    with reading(file.name):
        columns, rows = _READERS[file.format](file, options)
    return list(columns), chunked(rows)
