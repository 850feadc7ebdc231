"""Monitoring: whether each store answers, and the state of each store."""
