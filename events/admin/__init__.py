"""The admin's pages for projects, events, batches, schemas and periodic tasks."""

from events.admin import batches, hot_events, periodic_tasks, projects, rejected_events

__all__ = ["batches", "hot_events", "periodic_tasks", "projects", "rejected_events"]
