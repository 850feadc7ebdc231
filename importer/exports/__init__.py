"""Exports: events out of ClickHouse into a file that the importer reads."""
