"""CSV as this service writes it: whole texts also for what divides by semicolons or tabs."""

import csv
from typing import Any, Protocol

_END = "\r\n"
# A text with a character of the line's end is put into quotes. These are cut off again.
_ALSO_QUOTED = ";\t"


class Writes(Protocol):
    def write(self, text: str, /) -> object: ...


def writer(stream: Writes) -> Any:
    """A writer as of `csv`. It also puts texts with a semicolon or a tab into quotes."""
    return csv.writer(_Cut(stream), lineterminator=f"{_END}{_ALSO_QUOTED}")


class _Cut:
    """The file object that csv writes a row at a time to."""

    def __init__(self, stream: Writes) -> None:
        self._write = stream.write

    def write(self, row: str) -> object:
        return self._write(row[: -len(_ALSO_QUOTED)])
