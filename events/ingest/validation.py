"""Turn the bytes of a request into valid events, and an error for each invalid event.

The fast path decodes the whole body into typed structs at once. `events.format.inspection` then
checks, one by one, the events that the fast path does not accept: it knows every spelling and words
the errors.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec

from config.building_blocks.messages import brief
from events.format import inspection, moments
from events.format.inspection import EARLIEST, LATEST_AHEAD, MAX_TEXT, EventError, FieldError
from events.format.properties import PropertyError, checked, checked_together
from events.format.records import Record, id_texts, timestamp, timestamps
from events.ingest.readable import Unreadable, without_depths, without_lone_surrogates

MAX_EVENTS = 10_000

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class _Typed(msgspec.Struct, forbid_unknown_fields=True):
    event_id: UUID
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    user_id: _Text
    event_type: _Text
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Dated(msgspec.Struct):
    occurred_at: str


# A shorter body can't hold more than MAX_EVENTS: a valid event takes at least 116 bytes, any other
# element two.
_FEW_VALID_BYTES = 100 * MAX_EVENTS
_FEW_BYTES = 2 * MAX_EVENTS

# .NET has seven digits of a second, Go and Java nine. The decoder would round them, also into the
# next day. A dot and digits may be written as escapes.
_LONG_FRACTION = re.compile(rb"\.[0-9]{7}|\\u00(?:2[eE]|3[0-9])")
# Events that are checked together.
_TOGETHER = 50


def _decoder(element: Any) -> Callable[[bytes], list[Any]]:
    """Return a function that decodes `{"events": [...]}` or a bare array to its elements."""
    body = msgspec.defstruct("Body", [("events", list[element])], forbid_unknown_fields=True)
    decode = msgspec.json.Decoder(body | list[element]).decode

    def elements(text: bytes) -> list[Any]:
        decoded: Any = decode(text)
        found: list[Any] = decoded if isinstance(decoded, list) else decoded.events
        return found

    return elements


@cache
def _bounded_decoder(element: Any) -> Callable[[bytes], list[Any]]:
    """The same as `_decoder`, but its function skips all elements after the first MAX_EVENTS + 1.

    A list of 20 MB can have ten million elements. This decoder reads an array as a struct with
    MAX_EVENTS + 1 fields, which takes 80 KB even for a short array. Such a struct takes 40 ms to
    make, so it is made when a body needs it.
    """
    fields = [(f"_{n}", element, msgspec.UNSET) for n in range(MAX_EVENTS + 1)]
    array = msgspec.defstruct("Array", fields, array_like=True)
    body = msgspec.defstruct("Body", [("events", array)], forbid_unknown_fields=True)
    decode_array = msgspec.json.Decoder(array).decode
    decode_body: Callable[[bytes], Any] = msgspec.json.Decoder(body).decode

    def elements(text: bytes) -> list[Any]:
        # msgspec allows no union of two structs.
        is_array = _OPENS_ARRAY.match(text)
        found: Any = decode_array(text) if is_array else decode_body(text).events
        return [one for one in msgspec.structs.astuple(found) if one is not msgspec.UNSET]

    return elements


_OPENS_ARRAY = re.compile(rb"[ \t\r\n]*\[")
_decode_typed, _decode_dated, _decode_raw = map(_decoder, (_Typed, _Dated, msgspec.Raw))


class NotJSON(ValueError):
    """The body is not JSON at all."""


class WrongShape(ValueError):
    """The body is JSON, but neither `{"events": [...]}` nor an array."""


class TooManyEvents(ValueError):
    """The body holds more events than one request may."""


class Fault(NamedTuple):
    """What is wrong with a record by a rule of its project."""

    field: str
    code: str
    message: str


class Validated(NamedTuple):
    """`received = len(records) + len(errors)`; records keep the order they came in.

    `readable` is the form of the body that the decoder could read, or None if it is not known.
    """

    records: list[Record]
    errors: list[EventError]
    readable: bytes | None = None


def without(checked: Validated, fault: Callable[[Record], Fault | None]) -> Validated:
    """Move the records that have a fault to the errors, in the order of the request."""
    records: list[Record] = []
    errors: list[EventError] = []
    wrong = {error.index for error in checked.errors}
    total = len(checked.records) + len(checked.errors)
    indexes = [index for index in range(total) if index not in wrong]
    for index, record in zip(indexes, checked.records, strict=True):
        found = fault(record)
        if found is None:
            records.append(record)
        else:
            errors.append(EventError(index, record.event_id, *found))
    return Validated(records, sorted(checked.errors + errors, key=lambda error: error.index))


def validate(body: bytes, *, now: datetime | None = None) -> Validated:
    """Check a request's body of `{"events": [...]}` or a bare array.

    Raises NotJSON, WrongShape and TooManyEvents. A fault of a single event becomes an EventError in
    the result and does not affect the other events.
    """
    latest = (now or datetime.now(UTC)) + LATEST_AHEAD
    typed = _typed(body)
    records = None
    if typed is not None:
        _check_count(len(typed))
        records = _records(typed, latest)
        if None not in records:
            return Validated([record for record in records if record], [])
    readable, raws = _events(body)
    return _one_by_one(raws, latest, known=records)._replace(readable=readable)


def at_first_sight(body: bytes, *, closer: bool = True) -> list[Record]:
    """The records of a body, if the fast path accepts all of its events. Else an empty list:
    `validate` has to look closer.

    Without `closer` it does not look at any event by itself, which may take long.
    """
    latest = datetime.now(UTC) + LATEST_AHEAD
    records = _records(_typed(body) or [], latest, closer=closer)
    return [] if None in records else [record for record in records if record]


def _typed(body: bytes) -> list[_Typed] | None:
    is_short = len(body) < _FEW_VALID_BYTES
    decode = _decode_typed if is_short else _bounded_decoder(_Typed)
    try:
        events: list[_Typed] = decode(body)
        if _LONG_FRACTION.search(body):
            dated = (_decode_dated if is_short else _bounded_decoder(_Dated))(body)
            for event, text in zip(events, dated, strict=True):
                event.occurred_at = moments.cut(event.occurred_at, text.occurred_at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return events


def _records(events: list[_Typed], latest: datetime, *, closer: bool = True) -> list[Record | None]:
    """What `_record` returns for each event; `[None]` if some need that and `closer` is false."""
    records: list[Record | None] = []
    for start in range(0, len(events), _TOGETHER):
        group = events[start : start + _TOGETHER]
        at_once = _all_at_once(group, latest)
        if at_once is None and not closer:
            return [None]
        records += at_once or [_record(event, latest) for event in group]
    return records


def _all_at_once(events: list[_Typed], latest: datetime) -> list[Record] | None:
    """The same in half the time. None if one of them may not be valid, or they are large."""
    times = [event.occurred_at for event in events]
    users = [event.user_id for event in events]
    types = [event.event_type for event in events]
    if not (
        min(times) >= EARLIEST
        and max(times) <= latest
        and "".join(users).isprintable()
        and "".join(types).isprintable()
    ):
        return None
    properties = checked_together([event.properties for event in events])
    if properties is None:
        return None
    ids = id_texts([event.event_id for event in events])
    return list(map(Record, ids, timestamps(times), users, types, properties))


def _record(event: _Typed, latest: datetime) -> Record | None:
    """Return the record of an event, or None if the fast path can't tell that it is valid."""
    occurred_at = event.occurred_at
    if not (
        EARLIEST <= occurred_at <= latest
        and event.user_id.isprintable()
        and event.event_type.isprintable()
    ):
        return None
    try:
        properties = checked(bytes(event.properties))
    except (PropertyError, RecursionError):
        return None
    return Record(
        str(event.event_id),
        timestamp(occurred_at),
        event.user_id,
        event.event_type,
        msgspec.Raw(properties),
    )


def _events(body: bytes, readable: bytes | None = None) -> tuple[bytes, list[msgspec.Raw]]:
    """Return the form of the body that the decoder can read, and the text of each event in it.

    Raises what `validate` raises.
    """
    try:
        readable = readable or without_lone_surrogates(body)
        try:
            return readable, _raw_events(readable)
        except RecursionError:
            readable = without_depths(readable)
    except Unreadable as error:
        raise NotJSON(str(error)) from None
    try:
        return readable, _raw_events(readable)
    except RecursionError:
        raise NotJSON("it is nested too deep, and not closed") from None


def _raw_events(readable: bytes) -> list[msgspec.Raw]:
    decode = _decode_raw if len(readable) < _FEW_BYTES else _bounded_decoder(msgspec.Raw)
    try:
        events: list[msgspec.Raw] = decode(readable)
    except msgspec.ValidationError as error:
        raise WrongShape(brief(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJSON(brief(error)) from None
    _check_count(len(events))
    return events


def event_texts(body: bytes, readable: bytes | None = None) -> list[bytes]:
    """Return the text of each event of a body, as it was sent.

    `readable` is what `validate` returned for the same body. Raises what `validate` raises.
    """
    readable, raws = _events(body, readable)
    texts: list[bytes] = []
    position = 0
    for raw in raws:
        start = readable.index(raw, position)
        position = start + len(raw)
        texts.append(body[start:position])
    return texts


def _check_count(count: int) -> None:
    if count > MAX_EVENTS:
        raise TooManyEvents(f"more than {MAX_EVENTS} events in one request")


def _one_by_one(
    raws: list[msgspec.Raw], latest: datetime, known: list[Record | None] | None = None
) -> Validated:
    records: list[Record] = []
    errors: list[EventError] = []
    for index, raw in enumerate(raws):
        record = known[index] if known else None
        try:
            records.append(record or inspection.inspect(bytes(raw), latest=latest))
        except FieldError as error:
            errors.append(error.at(index))
    return Validated(records, errors)
