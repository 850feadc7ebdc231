"""Rows of newline-delimited JSON: one object a line."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from events.inspection import FieldError
from importer.chunks import MAX_LINE, Raw, Reading
from importer.files import OpenFile, reading
from importer.mapper import mapper
from importer.mapping import ColumnMap, Fields
from importer.options import Options
from importer.readers.lines import is_cut, lines
from importer.rejects import RAW_COLUMN

_SHOWN = 1_000


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    event_id: str
    occurred_at: str
    user_id: str
    event_type: str
    properties: msgspec.Raw = msgspec.Raw(b"")


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def read(file: OpenFile, options: Options) -> Reading:
    """Every line; empty ones are no rows."""
    return Reading([RAW_COLUMN], _rows(lines(file, options), taker(options.mapping), file.name))


def taker(mapping: ColumnMap) -> Callable[[bytes], Fields | str]:
    """What makes a line into an event's fields, or says what is wrong with it."""
    fields = mapper(mapping)

    def plain(line: bytes) -> Fields | str:
        try:
            row = _decode_line(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return f"not an event as JSON: {error}"[:500]
        properties = str(row.properties, "utf-8", "surrogateescape")
        return row.event_id, row.occurred_at, row.user_id, row.event_type, properties

    def mapped(line: bytes) -> Fields | str:
        try:
            return fields(_decode_object(line))
        except FieldError as error:
            return str(error)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return f"not a JSON object: {error}"[:500]

    return plain if mapping.is_plain else mapped


def _rows(
    lines: Iterable[str], take: Callable[[bytes], Fields | str], name: str
) -> Iterator[tuple[int, Fields | str, Raw]]:
    with reading(name):
        for number, line in enumerate(lines, start=1):
            if is_cut(line):
                yield number, f"a line of more than {MAX_LINE} characters", [line[:_SHOWN]]
            elif text := line.strip():
                yield number, take(text.encode(errors="surrogateescape")), [text]
