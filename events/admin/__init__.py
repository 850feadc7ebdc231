"""The admin's pages for events, batches, rejected events and property schemas."""

from events.admin import admin_batches, admin_rejected, hot_events

__all__ = ["admin_batches", "admin_rejected", "hot_events"]
