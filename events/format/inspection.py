"""Check one event: accept every allowed spelling, and raise an error that names the field."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from config.building_blocks.messages import brief
from events.format.instants import NotAnInstant, parse_instant
from events.format.properties import MAX_BYTES, PropertyError, checked
from events.format.records import Record, timestamp

MAX_TEXT = 200
# A valid event has a colon after each key, and colons in its texts. Properties have at most
# MAX_BYTES of them; the limit leaves 1,000 for the other fields.
_MAX_COLONS = MAX_BYTES + 1_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(hours=24)

_FIELDS = ("event_id", "occurred_at", "user_id", "event_type", "properties")
# Unicode category Cc: C0, DEL and C1. Other unprintable characters (joiners, unusual spaces) occur
# in real names and are allowed.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class EventError(msgspec.Struct, omit_defaults=True):
    """What is wrong with one event of a request; `index` counts from 0."""

    index: int
    event_id: str | None
    field: str | None
    code: str
    message: str


class FieldError(ValueError):
    """What is wrong with an event; `field` is None if the event can't be decoded into fields."""

    def __init__(self, field: str | None, code: str, message: str) -> None:
        super().__init__(brief(message))
        self.field = field
        self.code = code
        self.event_id: str | None = None

    def at(self, index: int) -> EventError:
        return EventError(index, self.event_id, self.field, self.code, str(self))


def inspect(raw: bytes, *, latest: datetime) -> Record:
    """Return the record of one event's JSON text. Raises FieldError.

    `latest` is the latest `occurred_at` that is allowed.
    """
    fields = _fields(raw)
    try:
        return _record(fields, latest)
    except FieldError as error:
        error.event_id = _shown_id(fields)
        raise


def _fields(raw: bytes) -> dict[str, msgspec.Raw]:
    if raw.count(b":") > _MAX_COLONS:
        # Check before the decoder makes an object for each key: 20 MB can hold two million.
        raise FieldError(None, "too_large", "the event has too many keys")
    try:
        return _decode_object(raw)
    except msgspec.ValidationError:
        raise FieldError(None, "type", "an event must be a JSON object") from None
    except RecursionError:
        raise FieldError(None, "too_deep", "the event is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError(None, "json", f"the event cannot be decoded: {error}") from None


def _record(fields: dict[str, msgspec.Raw], latest: datetime) -> Record:
    for name in fields:
        if name not in _FIELDS:
            shown = name[:MAX_TEXT]
            raise FieldError(shown, "unknown_field", f"{shown!r} is not a field of an event")
    return Record(
        str(parse_event_id(_text(fields, "event_id"))),
        timestamp(parse_occurred_at(_text(fields, "occurred_at"), latest=latest)),
        check_name("user_id", _text(fields, "user_id")),
        check_name("event_type", _text(fields, "event_type")),
        msgspec.Raw(check_properties(bytes(fields.get("properties", b"{}")))),
    )


def _text(fields: dict[str, msgspec.Raw], name: str) -> str:
    if name not in fields:
        raise FieldError(name, "required", f"{name} is missing")
    try:
        return _decode_text(fields[name])
    except msgspec.ValidationError:
        raise FieldError(name, "type", f"{name} must be text") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError(name, "encoding", f"{name} is not valid text: {error}") from None


def _shown_id(fields: dict[str, Any]) -> str | None:
    try:
        return _text(fields, "event_id")[:MAX_TEXT]
    except FieldError:
        return None


def parse_event_id(text: str) -> UUID:
    """Parse a UUID: with or without dashes, in any case, in braces or as a URN.

    Raises FieldError.
    """
    try:
        return UUID(text)
    except ValueError:
        raise FieldError("event_id", "format", "event_id is not a UUID") from None


def parse_occurred_at(text: str, *, latest: datetime) -> datetime:
    """Parse ISO 8601 with an offset, from 1970 to `latest`, into UTC cut to the millisecond.

    Raises FieldError.
    """
    try:
        moment = parse_instant(text)
    except NotAnInstant as error:
        quoted = f": {text[:40]!r}" if error.code == "format" else ""
        raise FieldError("occurred_at", error.code, f"occurred_at {error}{quoted}") from None
    if moment < EARLIEST:
        raise FieldError("occurred_at", "range", "occurred_at is before 1970-01-01T00:00:00Z")
    if moment > latest:
        raise FieldError("occurred_at", "range", "occurred_at is more than 24 hours ahead")
    return moment


def check_name(field: str, text: str) -> str:
    """Return a `user_id` or `event_type` of 1 to 200 characters, none a control character.

    Raises FieldError.
    """
    if not 1 <= len(text) <= MAX_TEXT:
        raise FieldError(field, "length", f"{field} must have 1 to {MAX_TEXT} characters")
    if _CONTROL.search(text):
        raise FieldError(field, "control_character", f"{field} contains a control character")
    return text


def check_properties(raw: bytes) -> bytes:
    try:
        return checked(raw)
    except PropertyError as error:
        raise FieldError("properties", error.code, str(error)) from None
    except RecursionError:
        raise FieldError("properties", "too_deep", "properties are nested too deep") from None
