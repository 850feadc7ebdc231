"""The quota of a project: how many new events a month it may get.

Redis counts what was accepted. It begins with what PostgreSQL has stored in the month, and begins
anew every hour. So an error of the count, left by a killed process or a Redis that lost its data,
lasts an hour at most. What waits on the queue when it begins is not counted. If a store is down,
events are accepted without a count: no quota is worth an event.
"""

from datetime import UTC, date, datetime
from types import ModuleType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from structlog import get_logger

from config.monitoring import metrics
from events.models import Batch
from projects.keyring import keyring
from projects.models import Project

log = get_logger(__name__)

# When a project has used this much of its month, the log says so.
WARN_AT = 0.8


class Uncounted(Exception):
    """Redis can't count now."""


class QuotaReached(Exception):
    """The events would go past the quota. Nothing was counted; the text says what is left."""

    def __init__(self, quota: int, *, left: int, until: datetime, events: int = 0) -> None:
        super().__init__(
            f"the project may get {quota:,} new events a month and has {left:,} left until "
            f"{until.date()}" + (f"; this request has at least {events:,}" if events else "")
        )
        self.seconds = max(1, int((until - datetime.now(UTC)).total_seconds()))


class Used(NamedTuple):
    """How much of its month a project has used, and when the next month begins in its zone."""

    events: int
    quota: int
    until: datetime


class Quota(NamedTuple):
    """The most events of a month, in the zone of the project."""

    project: int
    events: int
    zone: str

    @property
    def key(self) -> str:
        return f"quota:{self.project}:{month(self.zone)[0]:%Y-%m}"


def take(project: int, events: int) -> None:
    """Count events that are about to be accepted. Raises QuotaReached if they don't all fit.

    Does nothing for a project without a quota.
    """
    quota = _of(project)
    if quota is None:
        return
    try:
        fits, count = _counts().counted(quota, events)
    except Uncounted as error:
        _tell_uncounted(project, error)
        return
    if not fits:
        metrics.RATE_LIMIT_HITS.labels("quota").inc()
        left = max(0, quota.events - count)
        raise QuotaReached(quota.events, left=left, until=month(quota.zone)[1], events=events)
    if count - events < quota.events * WARN_AT <= count:
        log.warning("quota_nearly_used", project=project, count=count, quota=quota.events)


def add(project: int, events: int) -> None:
    """Add events to the count, whether they fit or not. A negative number takes them off again."""
    quota = _of(project) if events else None
    if quota is None:
        return
    try:
        # Without a count there is nothing to correct: the next one begins with what is stored.
        _counts().add(quota, events)
    except Uncounted as error:
        _tell_uncounted(project, error)


def settle(project: int, source: Batch.Source, *, received: int, stored: int) -> None:
    """Correct the count after a store: repeated events are no new ones, and imports took none."""
    add(project, stored if source is Batch.Source.IMPORT else stored - received)


def require_some(project: int) -> None:
    """Raises QuotaReached if not a single event more would fit."""
    quota = _of(project)
    if quota is None:
        return
    try:
        _, count = _counts().counted(quota, 0)
    except Uncounted as error:
        _tell_uncounted(project, error)
        return
    if count >= quota.events:
        metrics.RATE_LIMIT_HITS.labels("quota").inc()
        raise QuotaReached(quota.events, left=0, until=month(quota.zone)[1])


def used(project: Project) -> Used | None:
    """What the project has used of its month; None without a quota. Raises Uncounted."""
    if project.events_per_month is None:
        return None
    quota = Quota(project.pk, project.events_per_month, project.time_zone)
    _, count = _counts().counted(quota, 0)
    return Used(count, quota.events, month(quota.zone)[1])


def is_counted(project: int) -> bool:
    """Whether the project has a quota, or nothing is known of it."""
    facts = keyring.facts_of(project)
    return facts is None or facts.quota is not None


def _of(project: int) -> Quota | None:
    facts = keyring.facts_of(project)
    if not facts or facts.quota is None:
        return None
    return Quota(project, facts.quota, facts.zone)


def _tell_uncounted(project: int, error: Uncounted) -> None:
    log.warning("quota_uncounted", project=project, error=str(error))


def _counts() -> ModuleType:
    """Loads Redis' client: commands about projects without a quota need none."""
    from events.storing import quota_counts  # noqa: PLC0415

    return quota_counts


def month(zone: str) -> tuple[datetime, datetime]:
    """When this month began in the zone, and when the next one begins."""
    tz = ZoneInfo(zone)
    first = datetime.now(tz).date().replace(day=1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    begins = [datetime(day.year, day.month, day.day, tzinfo=tz) for day in (first, following)]
    return begins[0], begins[1]
