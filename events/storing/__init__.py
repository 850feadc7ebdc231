"""Storing: writes each valid event to PostgreSQL once, and removes it when its time is over."""
