"""The Celery application: the queue between accept and store, and the periodic tasks."""

import os

from celery import Celery, Task
from celery.signals import task_postrun, task_prerun
from django.db import close_old_connections

from config import beat, broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker.install()
beat.install()
app = Celery("events_analytics")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
@task_postrun.connect
def _give_back_connection(sender: Task, **_: object) -> None:
    """To the pool, which throws a broken one away."""
    if not sender.request.is_eager:
        close_old_connections()
