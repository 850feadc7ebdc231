"""Queueing: valid events onto the queue, and from there to a worker, many at a time."""
