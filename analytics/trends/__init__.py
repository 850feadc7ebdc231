"""Trends: a measure in each hour, day, week or month of a range."""
