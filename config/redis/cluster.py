"""django-redis on a Redis Cluster.

A cluster only needs each command to use one key. The commands of the rate limit and of the signs
of life do that.
"""

from typing import Any
from urllib.parse import unquote, urlsplit

from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from config.redis.urls import nodes

# One retry, with what the other nodes say about the slots. A client waits for it.
_RETRIES = 1


class Cluster(RedisCluster):
    """Every failure is a RedisError. `ping` and `info` ask all primaries."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error

    def ping(self, **_: Any) -> Any:
        return self.execute_command("PING", target_nodes=RedisCluster.PRIMARIES)

    def info(self, section: str | None = None, *_: str, **__: Any) -> dict[str, Any]:
        """The numbers of all primaries, added up."""
        said = self.execute_command("INFO", section, target_nodes=RedisCluster.PRIMARIES)
        of_each = list(said.values()) if all(isinstance(v, dict) for v in said.values()) else [said]
        numbers = [name for name, value in of_each[0].items() if isinstance(value, int)]
        return {name: sum(one[name] for one in of_each) for name in numbers}


class Factory(ConnectionFactory):  # type: ignore[misc]
    """For django-redis' option CONNECTION_FACTORY; a process has one client for all threads."""

    _clients: dict[tuple[str, str], Cluster] = {}

    def connect(self, url: str) -> Cluster:
        """A client for the URL. Raises redis' RedisError if no node answers."""
        key = (url, repr(sorted(self.options.items())))
        if key not in self._clients:
            self._clients[key] = _connected(url, self.options)
        return self._clients[key]


def _connected(url: str, options: dict[str, Any]) -> Cluster:
    parts = urlsplit(url)
    try:
        return Cluster(
            startup_nodes=[ClusterNode(*node) for node in nodes(url) if node],
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or "") or None,
            ssl=parts.scheme.startswith("rediss"),
            socket_timeout=options["SOCKET_TIMEOUT"],
            socket_connect_timeout=options["SOCKET_CONNECT_TIMEOUT"],
            retry=Retry(NoBackoff(), _RETRIES),
            # If no node serves some of the slots, only requests to those fail.
            require_full_coverage=False,
        )
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error
