"""Intake: stores the messages that a worker took off the queue, and parks what can't be stored."""

import binascii
from base64 import b64decode
from collections.abc import Sequence

import django.db
import psycopg

from events.delivery import parking
from events.format.records import frame, unframe
from events.models import Batch
from events.storing.store import store

# PostgreSQL refuses the content (SQLSTATE classes 22 and 23), or the content is not a frame of
# events. The same messages would fail every time. After any other error, the next try may succeed.
_POISON = (
    *(django.db.DataError, django.db.IntegrityError, psycopg.DataError, psycopg.IntegrityError),
    *(binascii.Error, ValueError, *parking.UNREADABLE),
)


def store_messages(messages: Sequence[str]) -> None:
    """Store the frames of all messages in one transaction.

    If their content makes this fail, store each message by itself, and then each event by itself.
    What still can't be stored is parked. Raises django.db.Error or psycopg.Error when PostgreSQL
    can't store at present. Then any part of the messages may be stored or not, and it is safe to
    pass all of them again.
    """
    try:
        store(frames=[b64decode(text) for text in messages], source=Batch.Source.QUEUE)
    except _POISON:
        for text in messages:
            _store_message(text)


def _store_message(text: str) -> None:
    try:
        data = b64decode(text, validate=True)
        records = unframe(data)
    except (ValueError, *parking.UNREADABLE) as error:
        parking.park_unstored(text.encode(errors="backslashreplace"), reason=_reason(error))
        return
    try:
        store(frames=[data], source=Batch.Source.QUEUE)
    except _POISON:
        for record in records:
            _store_frame(frame([record]))


def _store_frame(data: bytes) -> None:
    try:
        store(frames=[data], source=Batch.Source.QUEUE)
    except _POISON as error:
        parking.park_unstored(data, reason=_reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
