"""The worker's consumer, and how it begins a task: no message ends it, whoever has sent it.

Celery raises at some that are no tasks of its own. That ends the worker, and they come back.
"""

from collections.abc import Callable
from typing import Any

from celery import Task
from celery.exceptions import InvalidTaskError
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.exceptions import KombuError

logger = get_logger(__name__)

_NOT_OURS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, KombuError)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Named in the settings by string."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **options)

        def receive(message: Any) -> Any:
            if all(isinstance(message.headers.get(name), str) for name in ("task", "id")):
                return handle(message)
            logger.error("a message that is no task was on the queue, and is thrown away")
            return message.reject_log_error(logger, self.connection_errors)

        return receive


def strategy(task: Task, app: Any, consumer: Any) -> Callable[..., None]:
    """Celery's own, for tasks that take nothing: one that can't be begun is thrown away."""
    from celery.worker.strategy import default  # noqa: PLC0415 - for workers alone

    begin = default(task, app, consumer)

    def receive(message: Any, *more: Any) -> None:
        # The pool reads it later, where nobody catches what it raises. Ours have none.
        message.headers["timelimit"] = None
        try:
            begin(message, *more)
        except _NOT_OURS as error:
            raise InvalidTaskError(f"it can't be begun: {error}") from error

    return receive
