"""The admin's pages for projects, events, batches, rejected events and property schemas."""

from events.admin import batches, hot_events, projects, rejected_events

__all__ = ["batches", "hot_events", "projects", "rejected_events"]
