"""A reader for each format: from an open file to rows."""

from collections.abc import Iterator

from importer.mapping.options import Options
from importer.reading import delimited, json_lines
from importer.reading.arrow import parquet
from importer.reading.chunks import Chunk, chunked
from importer.reading.files import OpenFile, reading

_READERS = {
    "delimited": delimited.read,
    "json_lines": json_lines.read,
    "parquet": parquet.read,
}


def columns_and_chunks(file: OpenFile, options: Options) -> tuple[list[str], Iterator[Chunk]]:
    """The columns of the file's raw rows, and every row in order. Memory does not grow with the
    file. Raises FileRefused, at once or while the chunks are read.
    """
    with reading(file.name):
        columns, rows = _READERS[file.format](file, options)
    return list(columns), chunked(rows)
