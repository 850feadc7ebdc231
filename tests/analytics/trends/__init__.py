"""Trends: their buckets, their numbers, and their endpoint."""
