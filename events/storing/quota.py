"""The quota of a project: how many new events a month it may get.

Redis counts what was accepted. It begins with what PostgreSQL has stored in the month, and begins
anew every hour. So an error of the count, left by a killed process or a Redis that lost its data,
lasts an hour at most. If a store is down, events are accepted without a count: no quota is worth
an event.
"""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Condition
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django_redis import get_redis_connection
from redis.exceptions import NoScriptError, RedisError
from structlog import get_logger

from config.building_blocks.background_work import BackgroundWork
from config.monitoring import metrics
from events.models import Batch
from events.postgres import unavailable
from events.sql import load
from projects.keyring import keyring
from projects.models import Project

log = get_logger(__name__)

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_COUNT_SECONDS = 3600
# How long a request waits for PostgreSQL. While it is down, only the background waits for it.
_PATIENCE_SECONDS = 1.0
# When a project has used this much of its month, the log says so.
WARN_AT = 0.8


class QuotaReached(Exception):
    """The events would go past the quota. Nothing was counted; the text says what is left."""

    def __init__(self, quota: int, *, left: int, events: int, until: datetime) -> None:
        super().__init__(
            f"the project may get {quota:,} new events a month and has {left:,} left until "
            f"{until.date()}; this request has at least {events:,}"
        )
        self.seconds = max(1, int((until - datetime.now(UTC)).total_seconds()))


class Used(NamedTuple):
    """How much of its month a project has used, and when the next month begins in its zone."""

    events: int
    quota: int
    until: datetime


class _Quota(NamedTuple):
    project: int
    events: int
    zone: str

    @property
    def key(self) -> str:
        return f"quota:{self.project}:{_month(self.zone)[0]:%Y-%m}"


def take(project: int, events: int) -> None:
    """Count events that are about to be accepted. Raises QuotaReached if they don't all fit.

    Does nothing for a project without a quota.
    """
    quota = _of(project)
    if quota is None:
        return
    try:
        fits, count = _counted(quota, events)
    except RedisError as error:
        _tell_uncounted(project, error)
        return
    if not fits:
        metrics.RATE_LIMIT_HITS.labels("quota").inc()
        left = max(0, quota.events - count)
        raise QuotaReached(quota.events, left=left, events=events, until=_month(quota.zone)[1])
    if count - events < quota.events * WARN_AT <= count:
        log.warning("quota_nearly_used", project=project, count=count, quota=quota.events)


def add(project: int, events: int) -> None:
    """Add events to the count, whether they fit or not. A negative number takes them off again."""
    quota = _of(project) if events else None
    if quota is None:
        return
    try:
        # Without a count there is nothing to correct: the next one begins with what is stored.
        _run(quota, events, always=True)
    except RedisError as error:
        _tell_uncounted(project, error)


def settle(project: int, source: Batch.Source, *, received: int, stored: int) -> None:
    """Correct the count after a store: repeated events are no new ones, and imports took none."""
    add(project, stored if source is Batch.Source.IMPORT else stored - received)


def require_some(project: int) -> None:
    """Raises QuotaReached if not a single event more would fit."""
    take(project, 1)
    add(project, -1)


def used(project: Project) -> Used | None:
    """What the project has used of its month; None without a quota. Raises redis' RedisError."""
    if project.events_per_month is None:
        return None
    quota = _Quota(project.pk, project.events_per_month, project.time_zone)
    _, count = _counted(quota, 0)
    return Used(count, quota.events, _month(quota.zone)[1])


def _of(project: int) -> _Quota | None:
    facts = keyring.facts_of(project)
    if not facts or facts.quota is None:
        return None
    return _Quota(project, facts.quota, facts.zone)


def _tell_uncounted(project: int, error: Exception) -> None:
    log.warning("quota_uncounted", project=project, error=type(error).__name__)


def _counted(quota: _Quota, events: int) -> tuple[bool, int]:
    """Whether the events fit, and the count with them if they do. Without a count they fit."""
    state, count = _run(quota, events)
    if state < 0:
        _begin(quota)
        state, count = _run(quota, events)
    return state != 0, count


def _run(quota: _Quota, events: int, *, always: bool = False) -> tuple[int, int]:
    redis = get_redis_connection("rate_limit")
    arguments = (1, quota.key, events, quota.events, int(always))
    try:
        state, count = redis.evalsha(_SCRIPT_SHA, *arguments)
    except NoScriptError:
        state, count = redis.eval(_SCRIPT, *arguments)
    return int(state), int(count)


# --- the beginning of a count

_missing: dict[str, _Quota] = {}
_begun, _is_down = Condition(), False


def _begin(quota: _Quota) -> None:
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
            stored = _stored(quota.project, _month(quota.zone)[0])
            get_redis_connection("rate_limit").set(key, stored, ex=_COUNT_SECONDS, nx=True)
        except (RedisError, *unavailable.POSTGRESQL) as error:
            _tell_uncounted(quota.project, error)
            return False
        with _begun:
            _missing.pop(key, None)
            _is_down = False
            _begun.notify_all()
    return True


_beginner = BackgroundWork("quotas", _begin_counts, linger=0.0, longest_pause=5.0)


def _month(zone: str) -> tuple[datetime, datetime]:
    """When this month began in the zone, and when the next one begins."""
    tz = ZoneInfo(zone)
    first = datetime.now(tz).date().replace(day=1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    begins = [datetime(day.year, day.month, day.day, tzinfo=tz) for day in (first, following)]
    return begins[0], begins[1]


def _stored(project: int, since: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(load("quota_used"), {"project": project, "first": _first_id(since)})
        return int(cursor.fetchone()[0])


def _first_id(moment: datetime) -> UUID:
    """The lowest UUIDv7 of that moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
