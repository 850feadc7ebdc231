"""Ingest: turns the bytes of a request into valid events, and an error for each invalid event."""
