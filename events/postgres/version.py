"""A check that `migrate` runs before it changes anything: whether PostgreSQL is new enough."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import NotSupportedError, connections

# The first version with uuidv7(), which makes the ids of batches.
OLDEST = 18


@register(Tags.database)
def check(*, databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    return list(_complaints(databases or ()))


def _complaints(databases: Iterable[str]) -> Iterator[CheckMessage]:
    for alias in databases:
        try:
            number = connections[alias].pg_version  # type: ignore[attr-defined]
        except NotSupportedError as error:  # too old for Django too, whose error names the version
            yield _complaint(str(error))
            continue
        if number // 10_000 < OLDEST:
            yield _complaint(f"This is PostgreSQL {number // 10_000}.{number % 10_000}.")


def _complaint(found: str) -> CheckMessage:
    said = f"PostgreSQL {OLDEST} or newer is needed; nothing was changed. {found}"
    return Error(said, id="events.E001")
