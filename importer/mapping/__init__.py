"""Mapping: from a row of any source to the fields of an event."""
