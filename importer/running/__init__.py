"""Running: one import, from its first row to the last event in ClickHouse."""
