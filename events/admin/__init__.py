"""The admin's pages for events, batches, rejected events and property schemas."""

from events.admin import batches, hot_events, rejected_events

__all__ = ["batches", "hot_events", "rejected_events"]
