"""API keys as a person would make them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from projects import keys
from projects.models import ApiKey

_numbers = count()


def made(*scopes: str, **fields: Any) -> tuple[ApiKey, str]:
    """A key of these scopes, of all by default, and its secret."""
    row = ApiKey(
        **{"name": f"key {next(_numbers)}", "scopes": scopes or ApiKey.Scope.values, **fields}
    )
    return row, keys.make(row)


def secret(*scopes: str, **fields: Any) -> str:
    return made(*scopes, **fields)[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)
