"""Reads rows of CSV (RFC 4180, also with `;`, tab or `|`), with their line numbers."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from events.format.inspection import FieldError
from importer.mapping.columns import FIELDS, ColumnMap, Fields, ambiguous
from importer.mapping.mapper import mapper
from importer.mapping.options import Options
from importer.mapping.spelling import whole
from importer.reading import json_lines
from importer.reading.chunks import MAX_LINE, FileRefused, Raw, Reading
from importer.reading.files import OpenFile, reading
from importer.reading.lines import EmptyLines, is_cut, lines
from importer.reading.rejects import COLUMNS as REJECTED_COLUMNS
from importer.reading.rejects import RAW_COLUMN

_REQUIRED = ("event_id", "occurred_at", "user_id", "event_type")
_PROPERTIES = ("properties_json", "properties")
_DELIMITERS = ",;\t|"
# Excel reads the delimiter from such a first line, so other tools write it for Excel.
_says_delimiter = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE).fullmatch
# How many characters of a line that is too long are kept for display.
_SHOWN = 1_000
# Ends such a line, in case it is read again: it must not pass for a row.
_SHORTENED = "\0…\n"
_LONG_LINE = f"the line has more than {MAX_LINE} characters"
# A row with more lines is not a real row: its quotes are wrong.
_MAX_LINES = 10_000
# Lines that were taken for part of a broken row are read again: on average this many times, plus
# this many characters in any case.
_TIMES = 10
_READ_AGAIN = 256 * 1024

# This sets the limit for the whole process. A field may be as long as a row.
csv.field_size_limit(MAX_LINE)


@dataclass(frozen=True)
class Broken:
    """A line that is not a row."""

    reason: str
    text: str


Row: TypeAlias = tuple[int, list[str] | Broken]


def read(file: OpenFile, options: Options) -> Reading:
    """Every row after the header, without empty lines. Raises FileRefused."""
    text = lines(file, options)
    first, number, said = next(text, ""), 1, ""
    if match := _says_delimiter(first):
        first, number, said = next(text, ""), 2, match[1]
    is_ours = first.startswith(",".join(REJECTED_COLUMNS))
    delimiter = "," if is_ours else options.delimiter or said or _delimiter(first)
    rows = _rows(text, [first], delimiter, number, EmptyLines(file.name))
    names = _header(rows, file.name)
    # A file of rejected rows is read like the file that the rows came from.
    skipped = len(REJECTED_COLUMNS) if tuple(names[:2]) == REJECTED_COLUMNS else 0
    names = names[skipped:]
    if skipped and names == [RAW_COLUMN]:
        return Reading([RAW_COLUMN], _of_json(rows, options, file.name))
    take = _fields_of(names, options.mapping, file.name)
    return Reading(names, _taken(rows, take, len(names), skipped, file.name))


def _delimiter(line: str) -> str:
    """The usual delimiter that splits the header into the most columns."""

    def columns(delimiter: str) -> int:
        return len(next(csv.reader([line], delimiter=delimiter), []))

    try:
        return max(_DELIMITERS, key=columns)
    except csv.Error:
        return ","


def _taken(
    rows: Iterator[Row],
    take: Callable[[list[str]], Fields],
    width: int,
    skipped: int,
    name: str,
) -> Iterator[tuple[int, Fields | str, Raw]]:
    width += skipped
    with reading(name):
        for line, row in rows:
            if isinstance(row, Broken):
                yield line, row.reason, [row.text]
                continue
            raw = row[skipped:] if skipped else row
            if len(row) != width:
                yield line, f"{len(row)} columns, but the header has {width}", raw
                continue
            try:
                fields: Fields | str = take(raw)
            except FieldError as error:
                fields = str(error)
            yield line, fields, raw


def _of_json(
    rows: Iterator[Row], options: Options, name: str
) -> Iterator[tuple[int, Fields | str, Raw]]:
    """Rows of JSON lines or Parquet that an earlier import rejected and wrote to this CSV file."""
    take = json_lines.taker(options.mapping)
    with reading(name):
        for line, row in rows:
            if isinstance(row, Broken):
                yield line, row.reason, [row.text]
            else:
                raw = row[len(REJECTED_COLUMNS) :]
                yield line, take("".join(raw).encode(errors="surrogateescape")), raw


def _rows(
    source: Iterator[str], again: list[str], delimiter: str, number: int, empty: EmptyLines
) -> Iterator[Row]:
    """The number of each row's first line, and the row or what is wrong with it.

    `again` are lines that were read already; `number` is the number of the first of them. An
    unclosed quote swallows the rows below it. So if a row cannot be parsed, only its first line is
    given up, and its other lines are read again as rows of their own. All its lines are given up
    if the row is too large, or if they were read again too often.
    """
    patience = _Patience()
    while True:
        taken: list[str] = []
        try:
            found = _lines(again, source, taken)
            for row in csv.reader(found, strict=True, delimiter=delimiter):
                if row:
                    yield number, row
                else:
                    empty.add("".join(taken), number)
                number += len(taken)
                taken.clear()
            return
        except csv.Error as error:
            ends = isinstance(error, _TooLarge) or patience.ends(number, taken)
            given_up = len(taken) if ends else 1
            for line in taken[:given_up] or [""]:
                if text := line.rstrip("\r\n"):
                    yield number, Broken(f"not well-formed CSV: {error}", text)
                number += 1
            again += reversed(taken[given_up:])


class _TooLarge(csv.Error):
    """The lines form one row at most, and that row is too large to hold in memory."""


class _Patience:
    """Limits how often lines are read again: a few times each on average. So the reading time stays
    in proportion to the file's size, whatever the file contains.
    """

    def __init__(self) -> None:
        self._until = 0  # the first line that was never read
        self._left = _READ_AGAIN

    def ends(self, number: int, taken: Sequence[str]) -> bool:
        """Whether the lines in `taken`, which start at `number`, must not be read again."""
        if number >= self._until:
            self._left = _READ_AGAIN
        new = taken[max(0, self._until - number) :]
        self._until = max(self._until, number + len(taken))
        self._left += _TIMES * sum(map(len, new)) - sum(map(len, taken))
        return self._left < 0


def _lines(again: list[str], source: Iterator[str], taken: list[str]) -> Iterator[str]:
    """The lines in `again`, last one first, then those of the file. Each is added to `taken`."""
    size = 0
    while line := again.pop() if again else next(source, ""):
        size = size + len(line) if taken else len(line)
        if size >= MAX_LINE or len(taken) >= _MAX_LINES:
            _check(line, taken, size)
        taken.append(line)
        if line.endswith(_SHORTENED):
            raise csv.Error(_LONG_LINE)
        yield line


def _check(line: str, taken: list[str], size: int) -> None:
    """Raises csv.Error if this line, or the row that it continues, is too long."""
    if is_cut(line):
        taken.append(line[:_SHOWN] + _SHORTENED)
        raise csv.Error(_LONG_LINE)
    if taken and (size > MAX_LINE or len(taken) >= _MAX_LINES):
        taken.append(line)
        raise _TooLarge(f"the row has more than {MAX_LINE} characters or {_MAX_LINES} lines")


def _header(rows: Iterator[Row], name: str) -> list[str]:
    """The columns' names. Raises FileRefused."""
    _, header = next(rows, (1, None))
    if header is None:
        raise FileRefused(f"{name} is empty: it has no header")
    if isinstance(header, Broken) or not _is_text(header):
        raise FileRefused(
            f"{name} does not start with a CSV header in UTF-8; if the file has another encoding,"
            " set encoding"
        )
    return [column.strip() for column in header]


def _is_text(names: Sequence[str]) -> bool:
    """Whether these names come from UTF-8, and not from UTF-16 or binary data."""
    text = "".join(names)
    return text.encode(errors="replace").decode() == text and "\0" not in text


def _fields_of(
    names: Sequence[str], mapping: ColumnMap, name: str
) -> Callable[[list[str]], Fields]:
    """A function that picks the fields out of a row. Raises FileRefused for a wrong header."""
    if wrong := ambiguous([column for column in names if column], mapping):
        raise FileRefused(f"{name}: {wrong}")
    if not mapping.is_plain:
        if wrong := mapping.wrong_columns(names):
            raise FileRefused(f"{name}: {wrong}")
        fields = mapper(mapping, untyped=True)
        if names.count("") > 1 and mapping.rest == "properties":
            return lambda row: fields(_one_nameless(names, row))
        return lambda row: fields(dict(zip(names, row, strict=True)))
    lower = [column.lower() for column in names]
    if wrong := _wrong_columns(lower):
        raise FileRefused(f"{name}: {wrong}")
    return _plain([lower.index(column) for column in (*_REQUIRED, *_PROPERTIES) if column in lower])


def _one_nameless(names: Sequence[str], row: list[str]) -> dict[str, str]:
    """Values by column. Raises FieldError if two nameless columns have values: one is lost."""
    nameless = [value for name, value in zip(names, row, strict=True) if value and not name]
    if len(nameless) > 1:
        raise FieldError("properties", "nameless", "two columns without a name have values")
    return {**dict(zip(names, row, strict=True)), "": "".join(nameless)}


def _plain(wanted: Sequence[int]) -> Callable[[list[str]], Fields]:
    """A function that picks the fields of the importer's own format out of a row, by position."""
    pick: Any = itemgetter(*wanted)
    # If there is no column for properties, they are empty, as over HTTP.
    lacking = ("",) * (len(FIELDS) - len(wanted))

    def fields(row: list[str]) -> Fields:
        found: Fields = pick(row) + lacking
        if found[2][-1:] == "0" or found[3][-1:] == "0":
            event_id, occurred_at, user_id, event_type, properties = found
            return event_id, occurred_at, whole(user_id), whole(event_type), properties
        return found

    return fields


def _wrong_columns(names: Sequence[str]) -> str:
    """What is wrong with the header, or empty text. The data of an unknown column would be lost."""
    known = (*_REQUIRED, *_PROPERTIES)
    if missing := [column for column in _REQUIRED if column not in names]:
        return (
            f"the header has no {', '.join(missing)}; it is {','.join(names)[:200]!r}"
            f" (if columns have other names, say which is which: --map {missing[0]}=COLUMN of the"
            " command, or map of the page or the API)"
        )
    if unknown := [column for column in names if column not in known]:
        return (
            f"unknown column {', '.join(map(repr, unknown))[:200]}; known columns are"
            f" {', '.join(known)}. Set rest (of the command: --rest) to properties (to keep the"
            " others) or to ignore"
        )
    return ""
