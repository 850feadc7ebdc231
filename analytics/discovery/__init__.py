"""Discovery: the event types, properties and values there are, for a field that completes."""
