"""Segments: which events a report counts. From the text of a request to a condition in SQL."""
