"""Storing: valid events into PostgreSQL, each once, and out of it when their time is over."""
