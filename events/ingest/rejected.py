"""Keep refused events for a while, so that people can see them, mend them and send them again.

A background thread writes them to PostgreSQL, so refusing a request needs no PostgreSQL and never
waits. If a process is killed, the events that it refused in the last second are not kept. Their
clients have received the reasons.
"""

import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, cast

from django.conf import settings
from django.db import connection, transaction
from structlog import get_logger

from config.building_blocks.background_work import BackgroundWork
from events.format.inspection import EventError
from events.format.records import frames
from events.ingest import property_schemas, rules
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
from events.storing import quota
from events.storing.store import NoProject, Stored, store

log = get_logger(__name__)

# More than any valid event takes. Of a longer text, only the beginning is kept.
MAX_RAW_BYTES = 128 * 1024
# Bytes that may wait in the memory of each process to be written. Further rows are only counted.
_WAITING_BYTES = 12 * 1024 * 1024
_MEANWHILE = "somebody else has sent it again or deleted it"


class _Row(NamedTuple):
    """A row of rejected_events; `position` is None for a body that was refused as a whole."""

    project_id: int
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
    """A rejected event can't be sent again; `messages` has one message for each fault."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def keep_events(
    *,
    project: int,
    body: bytes,
    errors: Iterable[EventError],
    client: str,
    readable: bytes | None = None,
) -> None:
    """Keep the refused events of a request's body. Returns at once; a thread writes them soon.

    `readable` is what `validate` returned for this body. It saves computing the same again.
    """
    texts = event_texts(body, readable)
    _add(_row(project, client, texts[error.index], error) for error in errors)


def keep_body(*, project: int, body: bytes, code: str, message: str, client: str) -> None:
    """Keep a body that was refused as a whole. Returns at once; a thread writes it soon."""
    _add([_row(project, client, body, EventError(-1, None, None, code, message))])


def _row(project: int, client: str, raw: bytes, error: EventError) -> _Row:
    return _Row(
        project_id=project,
        client=client,
        position=error.index if error.index >= 0 else None,
        event_id=_storable(error.event_id or ""),
        field=_storable(error.field or ""),
        code=error.code,
        message=_storable(error.message),
        # Bytes that are not UTF-8 become \xff and the like. A PostgreSQL text can't hold a NUL.
        raw=raw[:MAX_RAW_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00"),
        raw_bytes=len(raw),
    )


def _storable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _size(row: _Row) -> int:
    """Return the bytes that a row takes in memory; in PostgreSQL it takes about as many.

    Escaped bytes take four times what was sent.
    """
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
    """Write all rows that wait. If that fails, they stay in memory for the next try."""
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
    """Trim each time a tenth of what may be kept has come in.

    Trimming more often costs too much: it counts all rows, which takes about 50 ms.
    """
    global _untrimmed_rows, _untrimmed_bytes  # noqa: PLW0603
    _untrimmed_rows += len(rows)
    _untrimmed_bytes += sum(map(_size, rows))
    if _untrimmed_rows > settings.REJECTED_MAX_ROWS / 10 or _untrimmed_bytes > _most_bytes() / 10:
        trim()
        _untrimmed_rows = _untrimmed_bytes = 0


def trim() -> int:
    """Delete the oldest rows beyond REJECTED_MAX_ROWS and REJECTED_MAX_MEGABYTES.

    Returns how many rows it deleted.
    """
    with connection.cursor() as cursor:
        bounds = {"rows": settings.REJECTED_MAX_ROWS, "bytes": _most_bytes()}
        cursor.execute(load("trim_rejected_events"), bounds)
        return int(cursor.rowcount)


def _most_bytes() -> int:
    return settings.REJECTED_MAX_MEGABYTES * 1024 * 1024


def purge(*, now: datetime) -> int:
    """Delete rows rejected more than REJECTED_DAYS ago, then trim.

    Returns how many rows it deleted.
    """
    before = now - timedelta(days=settings.REJECTED_DAYS)
    deleted, _ = RejectedEvent.objects.filter(rejected_at__lt=before).delete()
    return deleted + trim()


# --- sending again


def check(row: RejectedEvent, text: str) -> Validated:
    """Return the events of a mended text. Raises StillRejected unless all of them are valid."""
    try:
        body = text.encode() if row.position is None else b"[" + text.encode() + b"]"
        checked = rules.apply(validate(body), project=cast(int, row.project_id))
    except (NotJSON, WrongShape, TooManyEvents, UnicodeEncodeError) as error:
        raise StillRejected([f"the text can't be read as JSON events: {error}"]) from None
    except property_schemas.Unusable as error:
        raise StillRejected([str(error)]) from None
    if checked.errors:
        raise StillRejected([error.message for error in checked.errors])
    if not checked.records:
        raise StillRejected(["the text has no event"])
    return checked


def send_again(row: RejectedEvent, text: str) -> Stored:
    """Store the mended events and delete the rejected row, both or neither.

    Raises StillRejected, also if somebody else has sent or deleted the row meanwhile. Raises what
    `store` raises.
    """
    checked = check(row, text)
    with transaction.atomic():
        if not RejectedEvent.objects.filter(pk=row.pk).delete()[0]:
            raise StillRejected([_MEANWHILE])
        data = [data for data, _ in frames(checked.records)]
        try:
            project = cast(int, row.project_id)
            # An operator may go past the quota. Before the store corrects the count.
            transaction.on_commit(partial(quota.add, project, len(checked.records)))
            return store(project=project, frames=data, source=Batch.Source.REQUEST)
        except NoProject as error:
            raise StillRejected([str(error)]) from None


def send_again_as_it_is(key: int) -> Stored:
    """Store a rejected event without mending it. Raises as `send_again` does."""
    row = RejectedEvent.objects.filter(pk=key).first()
    if row is None:
        raise StillRejected([_MEANWHILE])
    return send_again(row, row.raw)
