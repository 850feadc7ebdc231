"""Monitoring: whether each store answers, and how things stand in it."""
