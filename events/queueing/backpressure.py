"""Backpressure: how full the queue is, looked at once a second at most, and whether that is enough.

The queue grows while workers or PostgreSQL are down. Past the limit events are refused at the door,
where the client still has them; nothing has to be reset once the queue is shorter again.
"""

import threading
import time

from django.conf import settings

from config import brokers
from config.brokers.base import Load
from events.format.records import FRAME_EVENTS

_LOOK_SECONDS = 1.0
# A consumer needs memory to take a message off the queue: a Redis that is full to the brim can
# neither take in nor give out.
_MEMORY_SHARE = 0.8


class QueueFull(Exception):
    """No more events are accepted until the queue is shorter."""


_looking = threading.Lock()
_next_look = 0.0
_reason = ""


def require_room() -> None:
    """Raises QueueFull past QUEUE_LIMIT_EVENTS or when the broker's memory is nearly used up.

    Raises one of brokers.ERRORS when the broker can't be asked.
    """
    global _next_look, _reason  # noqa: PLW0603 - one view of the queue a process
    # Whoever finds somebody looking goes by the look before.
    if time.monotonic() >= _next_look and _looking.acquire(blocking=False):
        try:
            _reason = _full(load())
            _next_look = time.monotonic() + _LOOK_SECONDS
        finally:
            _looking.release()
    if _reason:
        raise QueueFull(_reason)


def _full(load: Load) -> str:
    if load.events > settings.QUEUE_LIMIT_EVENTS:
        return f"about {load.events} events are waiting to be stored"
    if load.memory_limit and load.memory > _MEMORY_SHARE * load.memory_limit:
        return "the queue's memory is nearly used up"
    return ""


def load() -> Load:
    """Ask the broker. Raises one of brokers.ERRORS."""
    return brokers.current().load(limit=settings.QUEUE_LIMIT_EVENTS, largest=FRAME_EVENTS)
