"""The file of rejected rows: where they stood, why, and as they were, ready to be mended.

Its columns are `line` and `reason`, then those of the source (of JSON and Parquet a row is one
column, `raw`). An import passes over the first two, so that the mended file can be imported with
the same command.
"""

import codecs
import csv
import os
from collections.abc import Sequence
from pathlib import Path

from importer.mapping.json_values import as_shown_json
from importer.reading.chunks import BadRow, FileRefused, Interrupted

COLUMNS = ("line", "reason")
RAW_COLUMN = "raw"


class Rejects:
    """Appends to the file of rejected rows; there is none without a rejected row."""

    def __init__(
        self, path: Path, columns: Sequence[str], *, kept: int = 0, at_most: int | None = None
    ) -> None:
        """`kept` is its size as last noted: what a killed import wrote past that is cut off.
        `at_most` bounds its bytes.
        """
        self.path = path
        self._columns = columns
        self._at_most = at_most
        self.size = kept

    def add(self, rows: Sequence[BadRow]) -> None:
        """Once this returns they are on disk and `size` includes them. Raises FileRefused when
        they are too many, Interrupted when they can't be written.
        """
        if not rows:
            return
        if self._at_most is not None and self.size > self._at_most:
            raise FileRefused(f"the rejected rows take more than {self._at_most >> 20} MB")
        try:
            self._write(rows)
        except OSError as error:
            raise Interrupted(
                f"{self.path}, where rejected rows go, cannot be written: {error.strerror}"
            ) from error

    def _write(self, rows: Sequence[BadRow]) -> None:
        if not self.size and self.path.exists():
            # Of an earlier run, perhaps mended already.
            self.path.replace(self.path.with_name(f"{self.path.name}.old"))
        with self.path.open("r+b" if self.size and self.path.exists() else "wb") as file:
            self.size = min(self.size, file.seek(0, os.SEEK_END))
            file.seek(self.size)
            file.truncate()
            # The mark says UTF-8 to spreadsheets, and to an import that is told the encoding of
            # the file where the rows came from.
            mark = b"" if self.size else codecs.BOM_UTF8
            file.write(mark + self._text(rows))
            file.flush()
            os.fsync(file.fileno())
            self.size = file.tell()

    def _text(self, rows: Sequence[BadRow]) -> bytes:
        lines = _Lines()
        writer = csv.writer(lines)
        if not self.size:
            writer.writerow([*COLUMNS, *self._columns])
        for row in rows:
            raw = row.raw if isinstance(row.raw, Sequence) else [as_shown_json(row.raw)]
            writer.writerow([row.line, row.reason, *raw])
        return b"".join(map(_encoded, lines))


def _encoded(text: str) -> bytes:
    """Bytes that were no text become themselves again; what UTF-8 has no bytes for, an escape."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


class _Lines(list[str]):
    """What csv writes to."""

    def write(self, text: str) -> int:
        self.append(text)
        return len(text)
