"""Put events on the queue: requests that arrive together share a message.

To send or receive a Celery message costs many times as much as an event in it. So while one thread
sends, the events of the other threads gather, and the next thread sends them all. No thread waits
for a timer. No request is answered before the broker has its events.
"""

import time
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from structlog import get_logger

from config import brokers
from config.building_blocks.together import Together
from config.monitoring import request_id
from config.monitoring.logs import about_requests
from events.format.records import FRAME_EVENTS, Record, decoded_bytes, frames
from events.queueing.backpressure import require_room
from events.queueing.batching import STORE_TASK

log = get_logger(__name__)


class QueueUnavailable(Exception):
    """The broker didn't take the events. Some may be on the queue; sending them again is safe."""


class Wanted(NamedTuple):
    """The events of one request, fewer than FRAME_EVENTS."""

    project: int
    events: Sequence[Record]
    request_id: str


def put(*, project: int, events: Sequence[Record]) -> None:
    """Put valid events of a project on the queue; returns when the broker has them.

    Raises QueueUnavailable, and QueueFull when there is no room for them at present.
    """
    if not events:
        return
    need_room()
    if len(events) >= FRAME_EVENTS:
        _send(project, events, [request_id.current()])
        return
    error_of_all = _send_together(Wanted(project, events, request_id.current()))
    if error_of_all:
        raise QueueUnavailable(str(error_of_all)) from error_of_all


def need_room() -> None:
    """Raises QueueFull, and QueueUnavailable if the broker can't say whether there is room."""
    try:
        require_room()
    except brokers.ERRORS as error:
        raise QueueUnavailable(str(error)) from error


def put_all(wanted: Sequence[Wanted]) -> list[QueueUnavailable | None]:
    """Put the events of requests on the queue, those of a project together.

    Returns the error of each request, or None if the broker has its events. The caller has seen
    that there is room.
    """
    groups: dict[int, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(one.project, []).append(one)
    errors: dict[int, QueueUnavailable | None] = {}
    away: QueueUnavailable | None = None
    for project, group in groups.items():
        try:
            # A broker that does not answer is not waited for once for each project.
            errors[project] = away or _send_group(project, group)
        except QueueUnavailable as error:
            errors[project] = away = error
    return [errors[one.project] for one in wanted]


def _send_group(project: int, group: Sequence[Wanted]) -> QueueUnavailable | None:
    """Raises QueueUnavailable if the broker is away. An error of one project is returned."""
    events = [event for one in group for event in one.events]
    try:
        _send(project, events, [one.request_id for one in group])
    except QueueUnavailable:
        raise
    except Exception as error:
        log.exception("events_unsent", project=project)
        return QueueUnavailable(str(error))
    return None


_send_together: Together[Wanted, None] = Together(put_all)


def _send(project: int, events: Sequence[Record], request_ids: Sequence[str]) -> None:
    try:
        for data, count in frames(events):
            _publish(project, data, count, request_ids)
            about_requests(log, "events_queued", request_ids, count=count)
    except brokers.ERRORS as error:
        raise QueueUnavailable(str(error)) from error


def _publish(project: int, data: bytes, count: int, request_ids: Sequence[str]) -> None:
    """Send one message: a frame and its project.

    A worker uses the size to decide how many messages it takes at once. The time and the request
    ids are for metrics and logs.
    """
    size = {"weight": count, "bytes": decoded_bytes(data)}
    about = {**size, "at": time.time(), "request_ids": request_ids}
    brokers.send(STORE_TASK, (b64encode(data).decode(), project), headers=about)
