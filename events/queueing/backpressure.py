"""Backpressure: refuses events while the queue is full, and looks at it at most once a second.

The queue grows while workers or PostgreSQL are down. Past the limit, the web server refuses new
events, which the client still has. Nothing has to be reset when the queue is shorter again.
"""

import threading
import time

from django.conf import settings

from config import brokers
from config.brokers.base import Load
from events.format.records import FRAME_EVENTS

_LOOK_SECONDS = 1.0
# Taking a message off the queue needs memory too: a completely full Redis can neither accept nor
# hand out messages.
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
    global _next_look, _reason  # noqa: PLW0603 - each process has one view of the queue
    # While another thread looks, this thread uses the result of the look before.
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
    """Ask the broker for the load of the queue. Raises one of brokers.ERRORS."""
    return brokers.current().load(limit=settings.QUEUE_LIMIT_EVENTS, largest=FRAME_EVENTS)
