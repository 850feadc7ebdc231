"""Queueing: puts valid events on the queue, and gives them to a worker many at a time."""
