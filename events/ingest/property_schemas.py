"""Optional JSON Schemas for properties, one per event type, managed in the admin."""

import json
import time
from collections.abc import Mapping
from functools import lru_cache
from threading import Event, Lock
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db.models import TextField
from django.db.models.functions import Cast
from structlog import get_logger

from config.building_blocks.background_work import BackgroundWork
from events.format.properties import decoded
from events.format.records import Record
from events.ingest.validation import Fault, Validated, without
from events.models import PropertySchema
from events.schemas.engine import Judge, SchemaBroken, judge
from events.schemas.references import SchemaRefused

log = get_logger(__name__)

# The CPU time that the schemas may take for one request. Ten thousand events take 0.1 s with an
# ordinary schema. With the costliest schema that can be saved, the worst 20 MB would take minutes.
REQUEST_SECONDS = 5.0
# How long a change made in the admin may take to reach every process.
_KEPT_SECONDS = 5.0
# How long a request waits for PostgreSQL before it uses the schemas that were read earlier. Only
# one request in _KEPT_SECONDS waits. The first request of a process waits longer, because the
# first connection takes longer.
_PATIENCE_SECONDS = 1.0
_FIRST_PATIENCE_SECONDS = 5.0

_lock, _answered = Lock(), Event()
_loaded: Mapping[int, Mapping[str, Judge]] = {}
_loaded_at = float("-inf")
# The engine holds the interpreter while it judges one event. Only one thread judges at a time, so
# that the other threads get the interpreter after each event.
_judging = Lock()


class Unusable(RuntimeError):
    """The schema of an event's type can't be evaluated. This says nothing about the event."""


class TooSlow(RuntimeError):
    """Checking these events against their schemas takes longer than allowed."""


def apply(checked: Validated, *, project: int, seconds: float = float("inf")) -> Validated:
    """Move the events that break their type's schema in the project from the records to the errors.

    Raises Unusable, which names the event type, and TooSlow after `seconds` of CPU time.
    """
    judges = _judges().get(project, {})
    if not any(record.event_type in judges for record in checked.records):
        return checked
    until = time.thread_time() + seconds
    return without(
        checked, lambda record: _fault(judges.get(record.event_type), record, until=until)
    )


def are_known_to_be_none(project: int) -> bool:
    """Whether the project has no schema, as far as is known without waiting."""
    return not _is_due() and not _loaded.get(project)


def _fault(judge_of_type: Judge | None, record: Record, *, until: float) -> Fault | None:
    if judge_of_type is None:
        return None
    if time.thread_time() > until:
        raise TooSlow(
            f"the time for property schemas ended at an event of type {record.event_type!r}; "
            "send fewer events in one request"
        )
    properties = decoded(bytes(record.properties_text))
    try:
        with _judging:
            message = judge_of_type(properties)
    except SchemaBroken as error:
        raise Unusable(
            f"the property schema of {record.event_type!r} can't be used: {error}; after an "
            "administrator has corrected or disabled it, send the events again"
        ) from None
    return None if message is None else Fault("properties", "schema", message)


def _judges() -> Mapping[int, Mapping[str, Judge]]:
    """Return the enabled schemas of each project, read every few seconds.

    While PostgreSQL is down, these are the last known ones. Another thread reads them, because a
    thread that asks a hanging PostgreSQL hangs too.
    """
    global _loaded_at  # noqa: PLW0603
    is_first = _loaded_at == float("-inf")
    # Until the schemas have been read once, concurrent requests wait for the same read.
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
        # As text: a schema that Python can't parse must not stop the reading of the others.
        rows = enabled.values_list("project", "event_type", Cast("schema", TextField()))
        loaded: dict[int, dict[str, Judge]] = {}
        for project, event_type, text in rows:
            loaded.setdefault(project, {})[event_type] = _judge(text)
        _loaded = loaded
    except (DatabaseError, psycopg.Error):
        # Requests are accepted without PostgreSQL too. The store checks nothing that needs schemas.
        pass
    finally:
        _answered.set()
    return True


_reader = BackgroundWork("property schemas", _read, linger=0.0, longest_pause=_KEPT_SECONDS)


# Preparing the largest schema takes 0.2 s, and the schemas are read every few seconds.
@lru_cache(maxsize=4096)
def _judge(text: str) -> Judge:
    """Return the judge for a schema's JSON text.

    If the schema can't be used, its judge raises SchemaBroken for each event. Other types are not
    affected.
    """
    try:
        return judge(json.loads(text))
    except (SchemaRefused, RecursionError, ValueError) as error:
        reason = str(error)
        log.error("property_schema_refused", reason=reason)

    def broken(_properties: Any) -> None:
        raise SchemaBroken(reason)

    return broken


def refusal(schema: Any) -> str | None:
    """Return why a schema can't be used, or None if it can."""
    try:
        _judge(json.dumps(schema))({})
    except SchemaBroken as error:
        return str(error)
    return None
