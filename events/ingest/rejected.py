"""Rejected: what was refused at the door, kept for a while to be seen, mended and sent again.

A thread of its own writes it down: refusing needs no PostgreSQL and waits for nothing. What a
process was told to keep in the second before it was killed is lost; its client had the reasons.
"""

import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from structlog import get_logger

from config.background_work import BackgroundWork
from events.format.inspection import EventError
from events.format.records import frames
from events.ingest import property_schemas
from events.ingest.validation import (
    NotJSON,
    TooManyEvents,
    Validated,
    WrongShape,
    event_texts,
    validate,
)
from events.models import Batch, RejectedEvent
from events.sql import load
from events.storing.store import Stored, store

log = get_logger(__name__)

# More than any valid event takes; of what is longer the beginning is kept.
MAX_RAW_BYTES = 128 * 1024
# What may wait in memory to be written, in each process; the rest is only counted.
_WAITING_BYTES = 12 * 1024 * 1024
_MEANWHILE = "it was sent again or deleted by somebody else meanwhile"


class _Row(NamedTuple):
    """A row of rejected_events; `position` is None for a body that was refused as a whole."""

    client: str
    position: int | None
    event_id: str
    field: str
    code: str
    message: str
    raw: str
    raw_bytes: int


_waiting: deque[_Row] = deque()
_waiting_lock = threading.Lock()
_dropped = 0
_untrimmed_rows = _untrimmed_bytes = 0


class StillRejected(ValueError):
    """What is wrong with a rejected event that was to be sent again; one message for each fault."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def keep_events(
    *, body: bytes, errors: Iterable[EventError], client: str, readable: bytes | None = None
) -> None:
    """Keep the refused events of a request's body, soon; returns at once.

    `readable` spares looking for it again: what `validate` gave for this body.
    """
    texts = event_texts(body, readable)
    _add(_row(client, texts[error.index], error) for error in errors)


def keep_body(*, body: bytes, code: str, message: str, client: str) -> None:
    """Keep a body that was refused as a whole, soon; returns at once."""
    _add([_row(client, body, EventError(-1, None, None, code, message))])


def _row(client: str, raw: bytes, error: EventError) -> _Row:
    return _Row(
        client=client,
        position=error.index if error.index >= 0 else None,
        event_id=_storable(error.event_id or ""),
        field=_storable(error.field or ""),
        code=error.code,
        message=_storable(error.message),
        # Bytes that are no UTF-8 show as \xff. PostgreSQL has no NUL in a text.
        raw=raw[:MAX_RAW_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00"),
        raw_bytes=len(raw),
    )


def _storable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _size(row: _Row) -> int:
    """In memory; in PostgreSQL about as much. Escaped bytes take four times what was sent."""
    return sys.getsizeof(row) + sum(map(sys.getsizeof, row))


def _add(rows: Iterable[_Row]) -> None:
    global _dropped  # noqa: PLW0603
    with _waiting_lock:
        size = sum(map(_size, _waiting))
        for row in rows:
            size += _size(row)
            if size <= _WAITING_BYTES:
                _waiting.append(row)
            else:
                _dropped += 1
    _writer.soon()


def _write() -> bool:
    """Write down all that waits; on an error it goes on waiting."""
    global _dropped
    with _waiting_lock:
        rows, dropped, _dropped = list(_waiting), _dropped, 0
    if dropped:
        log.warning("rejected_events_dropped", count=dropped)
    if rows:
        _copy(rows)
        with _waiting_lock:
            for _ in rows:
                _waiting.popleft()
        _trim_after(rows)
    return True


_writer = BackgroundWork("rejected", _write, linger=0.2, longest_pause=10.0)


def _copy(rows: Iterable[_Row]) -> None:
    statement = f"COPY rejected_events ({', '.join(_Row._fields)}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _trim_after(rows: Sequence[_Row]) -> None:
    """Trim whenever a tenth of what may be kept has come in: counting it all costs some 50 ms."""
    global _untrimmed_rows, _untrimmed_bytes  # noqa: PLW0603
    _untrimmed_rows += len(rows)
    _untrimmed_bytes += sum(map(_size, rows))
    if _untrimmed_rows > settings.REJECTED_MAX_ROWS / 10 or _untrimmed_bytes > _most_bytes() / 10:
        trim()
        _untrimmed_rows = _untrimmed_bytes = 0


def trim() -> int:
    """Forget the oldest beyond REJECTED_MAX_ROWS and REJECTED_MAX_MEGABYTES; how many they were."""
    with connection.cursor() as cursor:
        bounds = {"rows": settings.REJECTED_MAX_ROWS, "bytes": _most_bytes()}
        cursor.execute(load("trim_rejected_events"), bounds)
        return int(cursor.rowcount)


def _most_bytes() -> int:
    return settings.REJECTED_MAX_MEGABYTES * 1024 * 1024


def purge(*, now: datetime) -> int:
    """Forget what was rejected more than REJECTED_DAYS ago, and what is too much; how many."""
    before = now - timedelta(days=settings.REJECTED_DAYS)
    deleted, _ = RejectedEvent.objects.filter(rejected_at__lt=before).delete()
    return deleted + trim()


# --- sending again


def check(row: RejectedEvent, text: str) -> Validated:
    """The events of a mended text, all of them valid. Raises StillRejected."""
    try:
        body = text.encode() if row.position is None else b"[" + text.encode() + b"]"
        checked = property_schemas.apply(validate(body))
    except (NotJSON, WrongShape, TooManyEvents, UnicodeEncodeError) as error:
        raise StillRejected([f"it does not read as JSON events: {error}"]) from None
    except property_schemas.Unusable as error:
        raise StillRejected([str(error)]) from None
    if checked.errors:
        raise StillRejected([error.message for error in checked.errors])
    if not checked.records:
        raise StillRejected(["there is no event in it"])
    return checked


def send_again(row: RejectedEvent, text: str) -> Stored:
    """Store the mended events and forget the rejected ones, both or neither.

    Raises StillRejected, also when somebody else has sent or deleted it meanwhile, and what
    `store` raises.
    """
    checked = check(row, text)
    with transaction.atomic():
        if not RejectedEvent.objects.filter(pk=row.pk).delete()[0]:
            raise StillRejected([_MEANWHILE])
        data = [data for data, _ in frames(checked.records)]
        return store(frames=data, source=Batch.Source.REQUEST)


def send_again_as_it_is(key: int) -> Stored:
    """Store a rejected event without mending it. Raises as `send_again` does."""
    row = RejectedEvent.objects.filter(pk=key).first()
    if row is None:
        raise StillRejected([_MEANWHILE])
    return send_again(row, row.raw)
