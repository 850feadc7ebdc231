"""The file of rejected rows: each row with its line and the reason, ready to be corrected.

Its columns are `line` and `reason`, then the columns of the source. A row of JSON or Parquet is one
column, `raw`. An import skips the first two columns, so the corrected file can be imported with the
same command.
"""

import codecs
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from config.building_blocks import csv_rows
from importer.mapping.json_values import as_shown_json
from importer.reading.chunks import BadRow, FileRefused, Interrupted

COLUMNS = ("line", "reason")
RAW_COLUMN = "raw"


class Rejects:
    """Appends to the file of rejected rows. The first rejected row creates the file."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        *,
        kept: int = 0,
        at_most: int | None = None,
        leave_free: int = 0,
    ) -> None:
        """`kept` is the file's size as last recorded, in bytes. Bytes that a killed import wrote
        after that are cut off. `at_most` limits the file's size in bytes; `leave_free` is how many
        bytes of the disk stay free.
        """
        self.path = path
        self._columns = columns
        self._at_most, self._leave_free = at_most, leave_free
        self.size = kept

    def add(self, rows: Sequence[BadRow]) -> None:
        """When this returns, the rows are on disk and `size` includes them. Raises FileRefused if
        the file is already larger than `at_most`, Interrupted if the rows can't be written.
        """
        if not rows:
            return
        if self._at_most is not None and self.size > self._at_most:
            raise FileRefused(f"the rejected rows take more than {self._at_most >> 20} MB")
        try:
            self._require_room()
            self._write(rows)
        except OSError as error:
            raise Interrupted(
                f"the file for rejected rows, {self.path}, cannot be written: {error.strerror}"
            ) from error

    def _require_room(self) -> None:
        if self._leave_free and shutil.disk_usage(self.path.parent).free < self._leave_free:
            raise OSError(errno.ENOSPC, "the disk has too little free space")

    def _write(self, rows: Sequence[BadRow]) -> None:
        if not self.size and self.path.exists():
            # This file is from an earlier run, and somebody may have corrected it already.
            self.path.replace(self.path.with_name(f"{self.path.name}.old"))
        with self.path.open("r+b" if self.size and self.path.exists() else "wb") as file:
            self.size = min(self.size, file.seek(0, os.SEEK_END))
            file.seek(self.size)
            file.truncate()
            # The mark tells spreadsheets that this is UTF-8. It also tells an import, whose
            # options may name the encoding of the original file.
            mark = b"" if self.size else codecs.BOM_UTF8
            file.write(mark + self._text(rows))
            file.flush()
            os.fsync(file.fileno())
            self.size = file.tell()

    def _text(self, rows: Sequence[BadRow]) -> bytes:
        lines = _Lines()
        writer = csv_rows.writer(lines)
        if not self.size:
            writer.writerow([*COLUMNS, *self._columns])
        for row in rows:
            raw = row.raw if isinstance(row.raw, Sequence) else [as_shown_json(row.raw)]
            writer.writerow([row.line, row.reason, *raw])
        return b"".join(map(_encoded, lines))


def _encoded(text: str) -> bytes:
    """Bytes that were not UTF-8 are restored; a character that UTF-8 can't encode is escaped."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


class _Lines(list[str]):
    """The file object that csv writes to."""

    def write(self, text: str) -> int:
        self.append(text)
        return len(text)
