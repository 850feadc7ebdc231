"""Reads the URL of the rate limit's Redis. The settings of every process use this module.

`redis+cluster://user:password@host:port,host:port` is a Redis Cluster.
"""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_SCHEMES = ("redis+cluster", "rediss+cluster")
_PORT = 6379


def is_cluster(url: str) -> bool:
    """Whether it is a cluster. Raises ImproperlyConfigured if one of the nodes can't be read."""
    if urlsplit(url).scheme not in _SCHEMES:
        return False
    if not all(nodes(url)):
        raise ImproperlyConfigured(
            "RATE_LIMIT_REDIS_URL must be like redis+cluster://host:port,host:port"
        )
    return True


def nodes(url: str) -> list[tuple[str, int] | None]:
    """Host and port of each node in the URL; None for a node that can't be read."""
    return [_node(named) for named in urlsplit(url).netloc.rpartition("@")[2].split(",")]


def _node(named: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{named}")
        return (parts.hostname, parts.port or _PORT) if parts.hostname else None
    except ValueError:
        return None
