"""Ingest: from the bytes of a request to valid events, and to an error for each other one."""
