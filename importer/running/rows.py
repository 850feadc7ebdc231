"""Turns a file's rows into valid events, by the same rules as over HTTP.

The fast path accepts rows that are written like stored events, as nearly all are. All other rows
are checked by the functions of `events.format.inspection`, which also word the errors.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from events.format.inspection import (
    EARLIEST,
    MAX_TEXT,
    EventError,
    FieldError,
    check_name,
    check_properties,
    parse_event_id,
    parse_occurred_at,
)
from events.format.properties import checked, read_together
from events.format.records import Record, timestamp
from events.ingest.validation import Validated
from importer.mapping.columns import Fields

_NAMES = ("event_id", "occurred_at", "user_id", "event_type", "properties")
_HEX = "[0-9a-f]"
_is_stored_id = re.compile(
    f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
).fullmatch
_is_utc = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3,9})?(?:Z|\+00:00)", re.ASCII
).fullmatch
_EARLIEST = timestamp(EARLIEST)


def check(rows: Sequence[Fields], *, latest: datetime) -> Validated:
    """Records of the valid rows, in order, and an error for each other row; indexes start at 0."""
    latest_text = timestamp(latest)
    if (together := all_plain(rows, latest_text)) is not None:
        return Validated(together, [])
    records: list[Record] = []
    errors: list[EventError] = []
    for index, fields in enumerate(rows):
        try:
            records.append(plain(fields, latest_text) or inspect(fields, latest=latest))
        except FieldError as error:
            errors.append(error.at(index))
    return Validated(records, errors)


def all_plain(rows: Sequence[Fields], latest: str) -> list[Record] | None:
    """What `plain` returns for each row, in half the time; None if it would refuse one of them."""
    if not rows:
        return []
    ids, times, user_ids, event_types, properties = zip(*rows, strict=True)
    if not (
        all(map(_is_stored_id, ids))
        and all(map(_is_utc, times))
        and _are_names(user_ids)
        and _are_names(event_types)
    ):
        return None
    moments = [_stored_time(text) for text in times]
    if not (min(moments) >= _EARLIEST and max(moments) <= latest and _are_moments(moments)):
        return None
    compact = read_together([text or "{}" for text in properties])
    if compact is None:
        return None
    return list(map(Record, ids, moments, user_ids, event_types, compact))


def plain(fields: Fields, latest: str) -> Record | None:
    """The record of a row that the fast path accepts, else None; `latest` is text as in records."""
    event_id, occurred_at, user_id, event_type, properties = fields
    if not (
        _is_stored_id(event_id)
        and _is_utc(occurred_at)
        and _are_names((user_id, event_type))
        and _EARLIEST <= (occurred_at := _stored_time(occurred_at)) <= latest
        and _are_moments([occurred_at])
    ):
        return None
    try:
        compact = checked(properties.encode() or b"{}")
    except (ValueError, RecursionError):  # msgspec's and UnicodeError are ValueErrors
        return None
    return Record(event_id, occurred_at, user_id, event_type, msgspec.Raw(compact))


def _stored_time(text: str) -> str:
    """A time that `_is_utc` accepts as it is stored: cut to milliseconds, with a Z."""
    return f"{text[:23]}Z" if text[19] == "." else f"{text[:19]}.000Z"


def _are_moments(times: Sequence[str]) -> bool:
    """Whether these are days of the calendar and times of a day."""
    try:
        return all(map(datetime.fromisoformat, times))
    except ValueError:
        return False


def _are_names(texts: Sequence[str]) -> bool:
    lengths = {*map(len, texts)}
    return min(lengths) >= 1 and max(lengths) <= MAX_TEXT and all(map(str.isprintable, texts))


def inspect(fields: Fields, *, latest: datetime) -> Record:
    """A row's record, in any allowed spelling; raises FieldError."""
    event_id, occurred_at, user_id, event_type, properties = map(_utf8, _NAMES, fields)
    return Record(
        str(parse_event_id(event_id)),
        timestamp(parse_occurred_at(occurred_at, latest=latest)),
        check_name("user_id", user_id),
        check_name("event_type", event_type),
        msgspec.Raw(_properties(properties)),
    )


def _utf8(name: str, text: str) -> str:
    """The same text. Raises FieldError if the file's reader found bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldError(name, "encoding", f"{name} is not UTF-8") from None
    return text


def _properties(text: str) -> bytes:
    try:
        return check_properties(text.encode() or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise FieldError("properties", "json", f"properties are not JSON: {error}") from None
