"""Cohorts: their numbers, the people behind them, and their endpoint."""
