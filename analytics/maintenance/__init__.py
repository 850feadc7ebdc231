"""Maintenance of ClickHouse: its schema, its rollups, and the comparison with PostgreSQL."""
