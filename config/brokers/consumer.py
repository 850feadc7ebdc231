"""The worker's consumer, and how it starts a task: no message can end the worker.

Celery raises an error at some messages that are not its tasks. The error ends the worker, and the
messages come back.
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
    """The settings name this class as a string."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **options)

        def receive(message: Any) -> Any:
            if all(isinstance(message.headers.get(name), str) for name in ("task", "id")):
                return handle(message)
            logger.error("a message on the queue is not a task; it is thrown away")
            return message.reject_log_error(logger, self.connection_errors)

        return receive


def strategy(task: Task, app: Any, consumer: Any) -> Callable[..., None]:
    """Celery's own strategy, but a message that can't be started as a task is thrown away.

    For tasks without arguments.
    """
    from celery.worker.strategy import default  # noqa: PLC0415 - for workers alone

    begin = default(task, app, consumer)

    def receive(message: Any, *more: Any) -> None:
        # The pool reads the time limits later, where nobody catches an error. Our tasks have none.
        message.headers["timelimit"] = None
        try:
            begin(message, *more)
        except _NOT_OURS as error:
            raise InvalidTaskError(f"the task can't be started: {error}") from error

    return receive
