"""Tests of a cluster: every event is there once, and every report says what the oracle says."""
