"""How a file is to be read."""

import codecs
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from importer.mapping.columns import ColumnMap

_OF_PYTHON = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}


class OptionError(ValueError):
    """An option that makes no sense; the text names it."""


@dataclass(frozen=True)
class MaxErrors:
    """How many rows may be bad: a number, or a percentage of those read."""

    rows: int | None = None
    percent: float | None = None

    def exceeded(self, *, bad: int, read: int) -> bool:
        if self.rows is not None:
            return bad > self.rows
        # Wait for 1,000 rows: among a few rows, one bad row is already several per cent.
        return self.percent is not None and read >= 1_000 and bad * 100 > self.percent * read

    def exceeded_at_the_end(self, *, bad: int, read: int) -> bool:
        return self.exceeded(bad=bad, read=read) or (
            self.percent is not None and bad * 100 > self.percent * read
        )


@dataclass(frozen=True)
class Options:
    """How to read a file. `mapping` says which column is which field. If `encoding` or `delimiter`
    (for CSV) is empty, it is detected.
    """

    mapping: ColumnMap = field(default_factory=ColumnMap)
    encoding: str = ""
    delimiter: str = ""
    max_errors: MaxErrors = field(default_factory=MaxErrors)

    def __post_init__(self) -> None:
        if self.encoding and not _is_encoding(self.encoding):
            raise OptionError(f"encoding {self.encoding[:80]!r} is not known")
        if self.delimiter and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise OptionError("delimiter must be one character, and not a quote or a line end")

    def meaning(self) -> dict[str, Any]:
        """The options that decide how a row is read, as JSON. A change starts an import over."""
        mapping = {name: value for name, value in asdict(self.mapping).items() if value}
        if self.mapping.is_plain:
            mapping = {}
        read = {"mapping": mapping, "encoding": self.encoding, "delimiter": self.delimiter}
        meaning: dict[str, Any] = json.loads(json.dumps({k: v for k, v in read.items() if v}))
        return meaning


def _is_encoding(name: str) -> bool:
    """Whether this is an encoding of text: Python's codecs also include zlib and rot13."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return codec.name not in _OF_PYTHON and bool(getattr(codec, "_is_text_encoding", True))


def parse_max_errors(text: str) -> MaxErrors:
    """From text: `100` means rows, `5%` a share of them, empty no limit. Raises OptionError."""
    try:
        if text.endswith("%"):
            percent = float(text[:-1])
            if 0 <= percent <= 100:
                return MaxErrors(percent=percent)
        elif text and int(text) >= 0:
            return MaxErrors(rows=int(text))
        elif not text:
            return MaxErrors()
    except ValueError:
        pass
    raise OptionError(
        f"max_errors must be a number of rows, or a percentage such as 5%, got {text[:40]!r}"
    )
