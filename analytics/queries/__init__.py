"""The SQL for ClickHouse, one query a file. A report's file is named after its function."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from config.building_blocks.sql_files import reader

# The place in a query for the condition of the segments. The file is valid SQL without one.
SEGMENTS = "/*segments*/"


class Query(NamedTuple):
    """SQL of this service, and its parameters."""

    sql: str
    parameters: Mapping[str, Any]


load = reader(__file__)


def load_filled(name: str, texts: Mapping[str, str]) -> str:
    """The text of a query with its places, such as /*source*/, filled with SQL of this service."""
    sql = load(name)
    for place, text in texts.items():
        sql = sql.replace(f"/*{place}*/", text)
    return sql


def load_with(name: str, *, condition: str) -> str:
    """The text of a query with a condition on its events, which must be SQL of this service.

    Raises ValueError if the query has no place for a condition.
    """
    sql = load(name)
    if SEGMENTS not in sql:
        raise ValueError(f"{name}.sql has no place for segments")
    return sql.replace(SEGMENTS, f"{condition} AND")
