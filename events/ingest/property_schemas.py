"""Optional JSON Schemas for properties, one per event type, managed in the admin."""

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from threading import Event, Lock
from typing import Any

import msgspec
import psycopg
from django.db import Error as DatabaseError
from django.db.models import TextField
from django.db.models.functions import Cast
from structlog import get_logger

from config.background_work import BackgroundWork
from events.format.inspection import EventError
from events.format.records import Record
from events.ingest.validation import Validated
from events.models import PropertySchema
from events.schemas.engine import Judge, SchemaBroken, judge
from events.schemas.references import SchemaRefused

log = get_logger(__name__)

# What the schemas may take of a processor for one request. Ten thousand events take 0.1 s with an
# ordinary schema; 20 MB made against the costliest that can be saved would take minutes.
REQUEST_SECONDS = 5.0
# How long a change made in the admin may take to reach every process.
_KEPT_SECONDS = 5.0
# PostgreSQL takes longer than this to say: the schemas of before go on, of one request in
# _KEPT_SECONDS that asks. A first connection, and with it a process's first request, takes longer.
_PATIENCE_SECONDS = 1.0
_FIRST_PATIENCE_SECONDS = 5.0

_lock, _answered = Lock(), Event()
_loaded: dict[str, Judge] = {}
_loaded_at = float("-inf")
# The engine holds the interpreter while it judges one event. One thread at a time judges, so that
# the others get the interpreter after each.
_judging = Lock()


class Unusable(RuntimeError):
    """The schema of an event's type can't be evaluated: no fault of the event."""


class TooSlow(RuntimeError):
    """The schemas take longer for these events than they may."""


def apply(checked: Validated, *, seconds: float = float("inf")) -> Validated:
    """Move the events that break their type's schema from the records to the errors.

    Raises Unusable, which names the event type, and TooSlow past so many `seconds` of a processor.
    """
    judges = _judges()
    if not any(record.event_type in judges for record in checked.records):
        return checked
    return _split(checked, judges, until=time.thread_time() + seconds)


def _split(checked: Validated, judges: Mapping[str, Judge], *, until: float) -> Validated:
    records: list[Record] = []
    errors: list[EventError] = []
    wrong = {error.index for error in checked.errors}
    total = len(checked.records) + len(checked.errors)
    indexes = [index for index in range(total) if index not in wrong]
    for index, record in zip(indexes, checked.records, strict=True):
        message = _fault(judges.get(record.event_type), record, until=until)
        if message is None:
            records.append(record)
        else:
            errors.append(EventError(index, record.event_id, "properties", "schema", message))
    return Validated(records, sorted(checked.errors + errors, key=lambda error: error.index))


def _fault(judge_of_type: Judge | None, record: Record, *, until: float) -> str | None:
    if judge_of_type is None:
        return None
    if time.thread_time() > until:
        raise TooSlow(
            f"the schema of {record.event_type!r} takes too long for all of it; "
            "send fewer events in one request"
        )
    properties = msgspec.json.decode(record.properties_text)
    try:
        with _judging:
            return judge_of_type(properties)
    except SchemaBroken as error:
        raise Unusable(
            f"the property schema of {record.event_type!r} can't be used: {error}; an "
            "administrator has to mend or disable it, and the events can be sent again then"
        ) from None


def _judges() -> Mapping[str, Judge]:
    """The enabled schemas, read every few seconds; the last known while PostgreSQL is down.

    Read by another thread: one that asks a PostgreSQL which hangs would wait with it.
    """
    global _loaded_at  # noqa: PLW0603
    is_first = _loaded_at == float("-inf")
    # Without any, requests that come together wait for the same.
    if _is_due() and _lock.acquire(blocking=is_first):
        try:
            if _is_due():
                _ask(_FIRST_PATIENCE_SECONDS if is_first else _PATIENCE_SECONDS)
                _loaded_at = time.monotonic()
        finally:
            _lock.release()
    return _loaded


def _is_due() -> bool:
    return time.monotonic() - _loaded_at > _KEPT_SECONDS


def _ask(patience: float) -> None:
    _answered.clear()
    _reader.soon()
    _answered.wait(patience)


def _read() -> bool:
    global _loaded  # noqa: PLW0603
    try:
        enabled = PropertySchema.objects.filter(enabled=True)
        # As text: one that Python can't read must not keep it from the others.
        rows = enabled.values_list("event_type", Cast("schema", TextField()))
        _loaded = {event_type: _judge(text) for event_type, text in rows}
    except (DatabaseError, psycopg.Error):
        # Accepting goes on without PostgreSQL; the store checks nothing that needs schemas.
        pass
    finally:
        _answered.set()
    return True


_reader = BackgroundWork("property schemas", _read, linger=0.0, longest_pause=_KEPT_SECONDS)


# Making the largest ready takes 0.2 s, and they are read every few seconds.
@lru_cache(maxsize=4096)
def _judge(text: str) -> Judge:
    """By a schema's JSON text. What can't be used breaks at each event, and harms no other type."""
    try:
        return judge(json.loads(text))
    except (SchemaRefused, RecursionError, ValueError) as error:
        reason = str(error)
        log.error("property_schema_refused", reason=reason)

    def broken(_properties: Any) -> None:
        raise SchemaBroken(reason)

    return broken


def refusal(schema: Any) -> str | None:
    """Why no event can be held to a schema, None if events can be."""
    try:
        _judge(json.dumps(schema))({})
    except SchemaBroken as error:
        return str(error)
    return None
