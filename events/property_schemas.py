"""Optional JSON Schemas for properties, one per event type, managed in the admin."""

import time
from collections.abc import Mapping
from threading import Lock
from typing import Any

import msgspec
from django.db import Error as DatabaseError
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from events.inspection import EventError
from events.models import PropertySchema
from events.records import Record
from events.validation import Validated

# How long a change made in the admin may take to reach every process.
_KEPT_SECONDS = 5.0

_lock = Lock()
_loaded: dict[str, Draft202012Validator] = {}
_loaded_at = 0.0


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
    """The enabled schemas, read every few seconds; the last known while PostgreSQL is down."""
    global _loaded, _loaded_at  # noqa: PLW0603
    if time.monotonic() - _loaded_at > _KEPT_SECONDS and _lock.acquire(blocking=False):
        try:
            rows = PropertySchema.objects.filter(enabled=True).values_list("event_type", "schema")
            _loaded = {event_type: Draft202012Validator(schema) for event_type, schema in rows}
        except DatabaseError:
            # Accepting goes on without PostgreSQL; the store checks nothing that needs schemas.
            pass
        finally:
            _loaded_at = time.monotonic()
            _lock.release()
    return _loaded
