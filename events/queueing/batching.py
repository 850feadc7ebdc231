"""A Celery task that takes many messages in one call and acknowledges them after the call.

celery-batches has the same idea, but it acknowledges the messages of a failed call, and it loses
the messages of a killed child process. Here a message is acknowledged when its call has returned.
It goes back to the queue when the call raised or its process died.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from celery import Task
from celery.utils.log import get_logger
from django.db import close_old_connections
from kombu.exceptions import ContentDisallowed, DecodeError, SerializerNotInstalled
from kombu.message import Message
from kombu.serialization import loads

from config import brokers
from config.celery import app
from config.monitoring import request_id

logger = get_logger(__name__)

# The name of the task that stores events. Its messages are put on the queue by this name.
STORE_TASK = "events.store_events"


class BatchTask(Task):  # type: ignore[misc]
    """Base of a task that is called as `task(messages)` with the arguments of each message.

    A batch closes when its messages weigh `max_weight` (header `weight`, 1 by default), when it has
    `max_messages`, or `linger` seconds after its first message. It also closes before a message
    that would bring it over `max_bytes` (header `bytes`, 0 by default); a single message may be
    larger. The task acknowledges late by design and ignores ETAs, results and retries. The messages
    of a failed call go back after `requeue_delay` seconds, so that a store that is down does not
    get them again at once.
    """

    abstract = True
    max_weight = 10_000
    max_messages = 100
    max_bytes = 32 * 1024 * 1024
    linger = 0.1
    requeue_delay = 1.0

    def Strategy(self, task: "BatchTask", app: Any, consumer: Any) -> Callable[..., None]:  # noqa: N802
        """Celery's hook for what a worker does with each message of this task."""
        return _Collector(task, consumer).receive


class _Collector:
    """The messages waiting in the worker's main process for their batch to close."""

    def __init__(self, task: BatchTask, consumer: Any) -> None:
        self._task = task
        self._pool = consumer.pool
        self._timer = consumer.timer
        self._messages: list[Message] = []
        self._weight = self._bytes = 0
        self._deadline: Any = None
        # Pools with threads deliver results and timers outside the consumer's thread.
        self._lock = threading.RLock()

    def receive(self, message: Message, *_: Any, **__: Any) -> None:
        size = _number(message, "bytes", 0)
        with self._lock:
            if self._bytes + size > self._task.max_bytes:
                self._flush()
            self._messages.append(message)
            self._weight += _number(message, "weight", 1)
            self._bytes += size
            if self._weight >= self._task.max_weight or self._is_full():
                self._flush()
            elif self._deadline is None:
                self._deadline = self._timer.call_after(self._task.linger, self._flush)

    def _is_full(self) -> bool:
        return len(self._messages) >= self._task.max_messages

    def _flush(self) -> None:
        with self._lock:
            if self._deadline is not None:
                self._deadline.cancel()
            messages, self._messages = self._messages, []
            self._weight, self._bytes, self._deadline = 0, 0, None
        if messages:
            self._submit(messages)

    def _submit(self, messages: Sequence[Message]) -> None:
        def failed(error: Any) -> None:
            # The text of the error is a traceback, which may quote an event.
            kind = getattr(error, "type", type(error)).__name__
            text = "%s: %d messages go back to the queue: %s"
            logger.error(text, self._task.name, len(messages), kind)
            self._timer.call_after(self._task.requeue_delay, _requeue, (messages,))

        self._pool.apply_async(
            _call,
            (
                self._task.name,
                [(m.body, m.content_type, m.content_encoding) for m in messages],
                [one for m in messages for one in _request_ids(m)],
            ),
            callback=lambda _: brokers.current().acknowledge(messages),
            error_callback=failed,
        )


def _number(message: Message, header: str, default: int) -> int:
    """Return the number in a header. A message from another program may have anything there."""
    value = message.headers.get(header, default)
    return max(0, value) if isinstance(value, int) else default


def _request_ids(message: Message) -> list[str]:
    ids = message.headers.get("request_ids")
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


def _requeue(messages: Sequence[Message]) -> None:
    for message in messages:
        message.reject_log_error(logger, (Exception,), requeue=True)


def _call(name: str, bodies: list[tuple[Any, str, str]], request_ids: list[str]) -> None:
    """Decode the messages and call the task once with all of them. Runs in the pool's process."""
    close_old_connections()
    try:
        with request_id.working_for(request_ids):
            app.tasks[name].run([_arguments(*body) for body in bodies])
    finally:
        close_old_connections()


def _arguments(body: Any, kind: str, encoding: str) -> list[Any]:
    """Return the arguments of a message.

    If they can't be read, return the message's body as the only one, so that the task can judge it.
    """
    try:
        arguments = loads(body, kind, encoding)[0]
    except (SerializerNotInstalled, ContentDisallowed, DecodeError, LookupError, TypeError):
        arguments = None
    if isinstance(arguments, list) and arguments and isinstance(arguments[0], str):
        return arguments
    return [body if isinstance(body, str) else bytes(body).decode(errors="replace")]
