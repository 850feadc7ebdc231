"""PostgreSQL statements at rest, one a file, named for what they do."""

from functools import cache
from pathlib import Path


@cache
def load(name: str) -> str:
    """The text of `events/sql/<name>.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text()
