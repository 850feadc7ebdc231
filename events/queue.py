"""The way onto the queue: requests that arrive together share a message.

A Celery message costs many times what an event does, to send as to receive. So while one thread is
sending, the events of the others gather, and the next to have its turn sends them all. Nobody
waits for a clock, and nobody is answered before the broker has its events.
"""

import threading
from base64 import b64encode
from collections.abc import Sequence

import kombu.exceptions
import redis.exceptions

from events.records import FRAME_EVENTS, Record, frames
from events.tasks import store_events


class QueueUnavailable(Exception):
    """The broker didn't take the events. Some may be on the queue; sending them again is safe."""


class _Waiting:
    """One request's events and whether they have been sent."""

    def __init__(self, events: Sequence[Record]) -> None:
        self.events = events
        self.sent = False
        self.error: Exception | None = None


_gathered: list[_Waiting] = []
_gathering = threading.Lock()
_sending = threading.Lock()


def put(*, events: Sequence[Record]) -> None:
    """Put valid events on the queue; returns when the broker has them. Raises QueueUnavailable."""
    if not events:
        return
    if len(events) >= FRAME_EVENTS:
        _send(events)
        return
    mine = _Waiting(events)
    with _gathering:
        _gathered.append(mine)
    with _sending:
        if not mine.sent:
            _send_gathered()
    if mine.error:
        raise QueueUnavailable(str(mine.error)) from mine.error


def _send_gathered() -> None:
    with _gathering:
        group = _gathered[:]
        _gathered.clear()
    error: Exception | None = None
    try:
        _send([event for waiting in group for event in waiting.events])
    except Exception as raised:
        error = raised
    for waiting in group:
        waiting.sent, waiting.error = True, error


def _send(events: Sequence[Record]) -> None:
    try:
        for data, count in frames(events):
            store_events.apply_async(
                (b64encode(data).decode(),), headers={"weight": count}, retry=False
            )
    except (kombu.exceptions.OperationalError, redis.exceptions.RedisError, OSError) as error:
        raise QueueUnavailable(str(error)) from error
