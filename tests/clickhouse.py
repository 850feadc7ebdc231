"""ClickHouse as tests ask and fill it: in the default project, unless they name another."""

from collections.abc import Generator, Sequence
from typing import Any

from analytics import clickhouse, inserting
from analytics.maintenance import migrate
from projects.models import DEFAULT


def query(sql: str, *, project: int = DEFAULT, **given: Any) -> list[list[Any]]:
    return clickhouse.query(sql, project=project, **given)


def stream(sql: str, *, project: int = DEFAULT, **given: Any) -> Generator[list[Sequence[Any]]]:
    return clickhouse.stream(sql, project=project, **given)


def command(sql: str, *, project: int = DEFAULT, **given: Any) -> None:
    clickhouse.command(sql, project=project, **given)


def insert_block(*, project: int = DEFAULT, **given: Any) -> None:
    inserting.insert_block(project=project, **given)


def apply_schema(*, project: int = DEFAULT, **given: Any) -> list[str]:
    return migrate.apply_schema(project=project, **given)
