"""The Celery application: the queue between accept and store, and the periodic tasks."""

import os
from typing import Any

from celery import Celery, Task, bootsteps
from celery.signals import setup_logging, task_postrun, task_prerun, worker_ready
from django.conf import settings
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from config.environment import broker_urls
from config.monitoring import liveness
from config.scheduling import beat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's system checks load every page, which workers and beat never serve.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

TRANSPORT_ALIASES.update(broker_urls.TRANSPORTS)
beat.install()


class _Task(Task):  # type: ignore[misc]
    """The class of all tasks that name no other class."""

    abstract = True
    Strategy = "config.brokers.consumer:strategy"


app = Celery("events_analytics", task_cls=_Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class _SignOfLife(bootsteps.StartStopStep):  # type: ignore[misc]
    """Reports every few seconds that this worker takes messages."""

    requires = {"celery.worker.components:Timer"}

    def start(self, worker: Any) -> None:
        worker.timer.call_repeatedly(
            liveness.EVERY_SECONDS, liveness.note_worker, (worker.hostname,)
        )


app.steps["worker"].add(_SignOfLife)


@setup_logging.connect
def _leave_logging_alone(**_: object) -> None:
    """Without a listener here Celery sets up logging its own way. Django has set up ours."""


@worker_ready.connect
def _serve_metrics(**_: object) -> None:
    # The children exist already, so none of them has a copy of the server's thread.
    if settings.METRICS_PORT:
        from events.monitoring import exposition  # noqa: PLC0415 - needs the apps to be ready

        exposition.serve(settings.METRICS_PORT)


@task_prerun.connect
@task_postrun.connect
def _give_back_connection(sender: Task, **_: object) -> None:
    """Give the task's connection back to the pool, which throws a broken connection away."""
    if not sender.request.is_eager:
        close_old_connections()
