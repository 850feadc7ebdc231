"""The SQL of the reports: one file a query, named like the function that asks it."""

from functools import cache
from pathlib import Path

# Where a query takes the condition of the segments; the file is valid SQL without it.
SEGMENTS = "/*segments*/"


@cache
def load(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return Path(__file__).with_name(f"{name}.sql").read_text()


def load_with(name: str, *, condition: str) -> str:
    """The text of a query that looks at some events only; `condition` is SQL of our own making."""
    sql = load(name)
    if SEGMENTS not in sql:
        raise ValueError(f"{name}.sql has no place for segments")
    return sql.replace(SEGMENTS, f"{condition} AND")
