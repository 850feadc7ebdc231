"""ClickHouse's schema: one `.sql` file a change, which `manage.py migrate_clickhouse` applies."""

from pathlib import Path

SCHEMA_DIR = Path(__file__).parent
