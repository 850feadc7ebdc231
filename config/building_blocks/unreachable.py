"""What to say when a command fails because a store can't be reached."""

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from config.building_blocks import unavailable

_STORES = {"PostgreSQL": "DATABASE_URL", "Redis": "REDIS_URL", "ClickHouse": "CLICKHOUSE_URL"}
_PORTS = {"postgres": 5432, "postgresql": 5432, "redis": 6379, "http": 8123, "https": 8443}
_CONNECTION = (ConnectionError, TimeoutError, socket.gaierror, *unavailable.POSTGRESQL)
_CONNECT_SECONDS = 2


def sentence(error: BaseException) -> str:
    """The stores that can't be reached, if that may be the cause of the error; else empty."""
    if not any(isinstance(one, _CONNECTION) for one in _chain(error)):
        return ""
    away = {name: address for name in _STORES if (address := _unreachable(_STORES[name]))}
    if not away:
        return ""
    named = _listed([f"{name} at {address}" for name, address in away.items()])
    folder = os.environ.get("DATA_DIR") or settings.BASE_DIR / ".data"
    variables = _listed([_STORES[name] for name in away])
    return (
        f"{named} can't be reached: make up must be running with the same DATA_DIR (here"
        f" {folder}), or {variables} must name a server that runs"
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unreachable(variable: str) -> str:
    """The host and port of the store if nothing listens there; else, or if unclear, empty."""
    parts = urlsplit(getattr(settings, variable))
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # several servers
        return ""
    if not parts.hostname or port is None:
        return ""
    try:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return f"{parts.hostname}:{port}"
    return ""
