"""The Celery application: the queue between accept and store, and the periodic tasks."""

import os

from celery import Celery

from config import beat, broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker.install()
beat.install()
app = Celery("events_analytics")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
