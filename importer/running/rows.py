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
from events.format.properties import checked
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
_STORED_LENGTH = len(_EARLIEST)


def check(rows: Sequence[Fields], *, latest: datetime) -> Validated:
    """Records of the valid rows, in order, and an error for each other row; indexes start at 0."""
    records: list[Record] = []
    errors: list[EventError] = []
    latest_text = timestamp(latest)
    for index, fields in enumerate(rows):
        try:
            records.append(plain(fields, latest_text) or inspect(fields, latest=latest))
        except FieldError as error:
            errors.append(error.at(index))
    return Validated(records, errors)


def plain(fields: Fields, latest: str) -> Record | None:
    """The record of a row that the fast path accepts, else None; `latest` is text as in records."""
    event_id, occurred_at, user_id, event_type, properties = fields
    if not (
        _is_stored_id(event_id)
        and _is_utc(occurred_at)
        and user_id.isprintable()
        and event_type.isprintable()
        and 1 <= len(user_id) <= MAX_TEXT
        and 1 <= len(event_type) <= MAX_TEXT
    ):
        return None
    if occurred_at[-1] != "Z":
        occurred_at = occurred_at[:-6] + "Z"
    if len(occurred_at) == len("2026-01-01T00:00:00Z"):
        occurred_at = occurred_at[:-1] + ".000Z"
    elif len(occurred_at) > _STORED_LENGTH:
        occurred_at = occurred_at[: _STORED_LENGTH - 1] + "Z"
    try:
        datetime.fromisoformat(occurred_at)
        compact = checked(properties.encode() or b"{}")
    except (ValueError, RecursionError):  # msgspec's and UnicodeError are ValueErrors
        return None
    if not _EARLIEST <= occurred_at <= latest:
        return None
    return Record(event_id, occurred_at, user_id, event_type, msgspec.Raw(compact))


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
