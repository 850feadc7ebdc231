"""The counts of quotas in Redis, and their beginnings from PostgreSQL."""

from datetime import datetime
from pathlib import Path
from threading import Condition
from uuid import UUID

from django.db import connection
from django_redis import get_redis_connection
from redis.exceptions import RedisError
from structlog import get_logger

from config.building_blocks import unavailable
from config.building_blocks.background_work import BackgroundWork
from config.redis import scripts
from events.sql import load
from events.storing.quota import Quota, Uncounted, month

log = get_logger(__name__)

_SCRIPT = scripts.script(Path(__file__).with_name("quota.lua"))
_COUNT_SECONDS = 3600
# How long a request waits for PostgreSQL. While it is down, only the background waits for it.
_PATIENCE_SECONDS = 1.0


def counted(quota: Quota, events: int) -> tuple[bool, int]:
    """Whether the events fit, and the count with them if they do. Without a count they fit.

    Raises Uncounted.
    """
    state, count = _run(quota, events)
    if state < 0:
        _begin(quota)
        state, count = _run(quota, events)
    return state != 0, count


def add(quota: Quota, events: int) -> None:
    """Add to the count, if there is one, whether they fit or not. Raises Uncounted."""
    _run(quota, events, always=True)


def _run(quota: Quota, events: int, *, always: bool = False) -> tuple[int, int]:
    try:
        redis = get_redis_connection("rate_limit")
        state, count = scripts.run(redis, _SCRIPT, quota.key, events, quota.events, int(always))
    except RedisError as error:
        raise Uncounted(type(error).__name__) from error
    return int(state), int(count)


# --- the beginning of a count

_missing: dict[str, Quota] = {}
_begun, _is_down = Condition(), False


def _begin(quota: Quota) -> None:
    """Have the background begin the count, and wait for it: for a moment, if PostgreSQL answers."""
    global _is_down  # noqa: PLW0603
    _missing[quota.key] = quota
    _beginner.soon()
    if not _is_down:
        with _begun:
            _is_down = not _begun.wait_for(lambda: quota.key not in _missing, _PATIENCE_SECONDS)


def _begin_counts() -> bool:
    global _is_down  # noqa: PLW0603
    for key, quota in list(_missing.items()):
        try:
            stored = _stored(quota.project, month(quota.zone)[0])
            get_redis_connection("rate_limit").set(key, stored, ex=_COUNT_SECONDS, nx=True)
        except (RedisError, *unavailable.POSTGRESQL) as error:
            log.warning("quota_uncounted", project=quota.project, error=type(error).__name__)
            return False
        with _begun:
            _missing.pop(key, None)
            _is_down = False
            _begun.notify_all()
    return True


_beginner = BackgroundWork("quotas", _begin_counts, linger=0.0, longest_pause=5.0, patient=True)


def _stored(project: int, since: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(load("quota_used"), {"project": project, "first": _first_id(since)})
        return int(cursor.fetchone()[0])


def _first_id(moment: datetime) -> UUID:
    """The lowest UUIDv7 of that moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
