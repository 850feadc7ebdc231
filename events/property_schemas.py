"""Optional JSON Schemas for properties, one per event type, managed in the admin."""

import time
from collections.abc import Mapping
from threading import Event, Lock
from typing import Any

import msgspec
import psycopg
from django.db import Error as DatabaseError
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from events.inspection import EventError
from events.models import PropertySchema
from events.on_demand import OnDemand
from events.records import Record
from events.validation import Validated

# How long a change made in the admin may take to reach every process.
_KEPT_SECONDS = 5.0
# PostgreSQL takes longer than this to say: the schemas of before go on, of one request in
# _KEPT_SECONDS that asks. A first connection, and with it a process's first request, takes longer.
_PATIENCE_SECONDS = 1.0
_FIRST_PATIENCE_SECONDS = 5.0

_lock, _answered = Lock(), Event()
_loaded: dict[str, Draft202012Validator] = {}
_loaded_at = float("-inf")


def apply(checked: Validated) -> Validated:
    """Move the events that break their type's schema from the records to the errors."""
    validators = _validators()
    if not any(record.event_type in validators for record in checked.records):
        return checked
    return _split(checked, validators)


def _split(checked: Validated, validators: Mapping[str, Draft202012Validator]) -> Validated:
    records: list[Record] = []
    errors: list[EventError] = []
    wrong = {error.index for error in checked.errors}
    total = len(checked.records) + len(checked.errors)
    indexes = [index for index in range(total) if index not in wrong]
    for index, record in zip(indexes, checked.records, strict=True):
        message = _broken(validators.get(record.event_type), record)
        if message is None:
            records.append(record)
        else:
            errors.append(EventError(index, record.event_id, "properties", "schema", message))
    return Validated(records, sorted(checked.errors + errors, key=lambda error: error.index))


def _broken(validator: Draft202012Validator | None, record: Record) -> str | None:
    if validator is None:
        return None
    error: Any = best_match(validator.iter_errors(msgspec.json.decode(record.properties_text)))
    return f"{error.json_path}: {error.message}"[:500] if error else None


def _validators() -> Mapping[str, Draft202012Validator]:
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
        rows = PropertySchema.objects.filter(enabled=True).values_list("event_type", "schema")
        _loaded = {event_type: Draft202012Validator(schema) for event_type, schema in rows}
    except (DatabaseError, psycopg.Error):
        # Accepting goes on without PostgreSQL; the store checks nothing that needs schemas.
        pass
    finally:
        _answered.set()
    return True


_reader = OnDemand("property schemas", _read, linger=0.0, longest_pause=_KEPT_SECONDS)
