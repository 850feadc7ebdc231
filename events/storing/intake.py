"""Intake: what a worker took off the queue into the store, a message that can't be stored alone."""

import binascii
from base64 import b64decode
from collections.abc import Sequence

import django.db
import psycopg

from events.delivery import parking
from events.format.records import frame, unframe
from events.models import Batch
from events.storing.store import store

# PostgreSQL will not have the content (SQLSTATE classes 22 and 23), or it is no frame of events.
# The same messages would fail again for ever; anything else may go well the next time.
_POISON = (
    *(django.db.DataError, django.db.IntegrityError, psycopg.DataError, psycopg.IntegrityError),
    *(binascii.Error, ValueError, *parking.UNREADABLE),
)


def store_messages(messages: Sequence[str]) -> None:
    """Store the frames of all messages in one transaction; what can't be stored is parked alone.

    Raises django.db.Error or psycopg.Error when PostgreSQL can't at present: nothing of the call
    may be counted on then, and all of it may be given again.
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
