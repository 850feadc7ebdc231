"""The app that owns PostgreSQL: ingest, dedup, the hot layer and the outbox."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from config.environment import secret_checks  # noqa: F401, PLC0415  (registers a check)
        from events.postgres import version  # noqa: F401, PLC0415  (the same)
