"""Rows of newline-delimited JSON: one object per line."""

import json
from collections.abc import Callable, Iterable, Iterator

import msgspec

from events.format.inspection import FieldError
from importer.mapping.columns import ColumnMap, Fields
from importer.mapping.json_values import from_json, unique
from importer.mapping.mapper import as_text, mapper
from importer.mapping.options import Options
from importer.reading.chunks import MAX_LINE, Raw, Reading
from importer.reading.files import OpenFile, reading
from importer.reading.lines import EmptyLines, is_cut, lines
from importer.reading.rejects import RAW_COLUMN

_SHOWN = 1_000


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    event_id: str
    occurred_at: str
    user_id: str | int | float
    event_type: str | int | float
    properties: msgspec.Raw = msgspec.Raw(b"")


# The characters of a line besides its values, with a space after each comma and colon. One more
# field is longer than all these spaces, so a line with no more than this has no field twice.
_ROOM = len('{"event_id": "", "occurred_at": "", "user_id": "", "event_type": "", "properties": }')
_decode_line = msgspec.json.Decoder(_Line).decode
# The errors of msgspec are ValueErrors too.
_NOT_JSON = (ValueError, RecursionError)


def read(file: OpenFile, options: Options) -> Reading:
    """Every line except empty ones."""
    return Reading([RAW_COLUMN], _rows(lines(file, options), taker(options.mapping), file.name))


def taker(mapping: ColumnMap) -> Callable[[bytes], Fields | str]:
    """A function that turns a line into an event's fields, or returns what is wrong with it."""
    fields = mapper(mapping)

    def plain(line: bytes) -> Fields | str:
        try:
            row = _decode_line(line)
            text = str(row.properties, "utf-8", "surrogateescape")
            user_id = as_text("user_id", row.user_id)
            event_type = as_text("event_type", row.event_type)
            found = row.event_id, row.occurred_at, user_id, event_type, text
            if len(line) > sum(map(len, found)) + _ROOM or not text:
                _refuse_repeated_fields(line)
        except FieldError as error:
            return str(error)
        except _NOT_JSON as error:
            return f"not an event in JSON: {error}"[:500]
        return found

    def mapped(line: bytes) -> Fields | str:
        try:
            row = from_json(line)
            return fields(row) if type(row) is dict else "not a JSON object"
        except FieldError as error:
            return str(error)
        except _NOT_JSON as error:
            return f"not a JSON object: {error}"[:500]

    return plain if mapping.is_plain else mapped


def _refuse_repeated_fields(line: bytes) -> None:
    """Raises FieldError for a repeated field: the decoder would silently take the last one. Keys
    inside properties are checked later, as for every event.
    """
    unique(json.loads(line.decode(errors="surrogateescape"), object_pairs_hook=list))


def _rows(
    lines: Iterable[str], take: Callable[[bytes], Fields | str], name: str
) -> Iterator[tuple[int, Fields | str, Raw]]:
    empty = EmptyLines(name)
    with reading(name):
        for number, line in enumerate(lines, start=1):
            if len(line) >= MAX_LINE and is_cut(line):
                yield number, f"the line has more than {MAX_LINE} characters", [line[:_SHOWN]]
            elif text := line.strip():
                yield number, take(text.encode(errors="surrogateescape")), [text]
            else:
                empty.add(line, number)
