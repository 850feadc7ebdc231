"""The app that owns PostgreSQL: ingest, dedup, the hot layer and the outbox."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
