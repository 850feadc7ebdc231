"""Supervision: programs started in order, started again when they die, stopped together."""
