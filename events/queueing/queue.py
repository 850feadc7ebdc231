"""Put events on the queue: requests that arrive together share a message.

To send or receive a Celery message costs many times as much as an event in it. So while one thread
sends, the events of the other threads gather, and the next thread sends them all. No thread waits
for a timer. No request is answered before the broker has its events.
"""

import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from kombu.messaging import Producer
from structlog import get_logger

from config import brokers
from config.celery import app
from config.monitoring import request_id
from config.monitoring.logs import about_requests
from events.format.records import FRAME_EVENTS, Record, decoded_bytes, frames
from events.queueing.backpressure import require_room
from events.queueing.batching import STORE_TASK

log = get_logger(__name__)


class QueueUnavailable(Exception):
    """The broker didn't take the events. Some may be on the queue; sending them again is safe."""


class _Waiting:
    """One request's events and whether they have been sent."""

    def __init__(self, project: int, events: Sequence[Record]) -> None:
        self.project = project
        self.events = events
        self.request_id = request_id.current()
        self.sent = False
        self.error: Exception | None = None


_gathered: list[_Waiting] = []
_gathering = threading.Lock()
_sending = threading.Lock()


def put(*, project: int, events: Sequence[Record]) -> None:
    """Put valid events of a project on the queue; returns when the broker has them.

    Raises QueueUnavailable, and QueueFull when there is no room for them at present.
    """
    if not events:
        return
    try:
        require_room()
    except brokers.ERRORS as error:
        raise QueueUnavailable(str(error)) from error
    if len(events) >= FRAME_EVENTS:
        _send(project, events, [request_id.current()])
        return
    mine = _Waiting(project, events)
    with _gathering:
        _gathered.append(mine)
    with _sending:
        if not mine.sent:
            _send_gathered()
    if mine.error:
        raise QueueUnavailable(str(mine.error)) from mine.error


def _send_gathered() -> None:
    with _gathering:
        gathered = _gathered[:]
        _gathered.clear()
    groups: dict[int, list[_Waiting]] = {}
    for waiting in gathered:
        groups.setdefault(waiting.project, []).append(waiting)
    for project, group in groups.items():
        _send_group(project, group)


def _send_group(project: int, group: list[_Waiting]) -> None:
    """Send the events of requests for one project, and tell each request whether they are there."""
    error: Exception | None = None
    try:
        _send(
            project,
            [event for waiting in group for event in waiting.events],
            [waiting.request_id for waiting in group],
        )
    except Exception as raised:
        error = raised
    for waiting in group:
        waiting.sent, waiting.error = True, error


def _send(project: int, events: Sequence[Record], request_ids: Sequence[str]) -> None:
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for data, count in frames(events):
                size = {"weight": count, "bytes": decoded_bytes(data)}
                about = {**size, "at": time.time(), "request_ids": request_ids}
                arguments = (b64encode(data).decode(), project)
                _publish(producer, arguments, about)
                about_requests(log, "events_queued", request_ids, count=count)
    except brokers.ERRORS as error:
        raise QueueUnavailable(str(error)) from error


def _publish(producer: Producer, arguments: tuple[str, int], about: dict[str, Any]) -> None:
    """Send one message, a frame and its project, with the headers `about`.

    A worker uses the size to decide how many messages it takes at once. The time and the request
    ids are for metrics and logs.
    """
    brokers.send(producer, STORE_TASK, arguments, headers=about)
