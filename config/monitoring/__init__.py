"""Logs, metrics, request ids and signs of life."""
