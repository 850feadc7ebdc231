"""The API keys and projects in the memory of a process: all of them, read every few seconds.

A request with a known key needs no database. Random keys from a stranger cause few reads of
PostgreSQL (see LOOKS) and fill no memory. While PostgreSQL is down, the keys that were read before
are still accepted.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from threading import Condition
from typing import Any, NamedTuple, TypeVar

import psycopg
from django import db
from structlog import get_logger

from config.building_blocks.background_work import BackgroundWork
from projects.models import ApiKey, Project
from projects.sql import load

log = get_logger(__name__)
T = TypeVar("T")

# After FRESH_SECONDS the background reads the keys again. After KEPT_SECONDS a request waits for
# that read. So a revoked key is refused after KEPT_SECONDS, unless PostgreSQL is down.
FRESH_SECONDS = 2.0
KEPT_SECONDS = 5.0
# An unknown key may have been made a moment ago, so it causes a read of the keys: up to LOOKS reads
# at once, then one in LOOK_SECONDS. A stranger who uses them up delays new keys by LOOK_SECONDS.
LOOKS = 10
LOOK_SECONDS = 0.5
# The most keys that are not revoked. Each takes about half a kilobyte in every process.
MAX_KEYS = 10_000
# If PostgreSQL takes longer than this to answer, it counts as down until it answers. The first
# request with a key in a process may take longer, because it needs a new connection.
_PATIENCE_SECONDS = 1.0
_FIRST_PATIENCE_SECONDS = 5.0
_COLUMNS = (
    *("digest", "pk", "project", "project__slug", "scopes", "expires_at"),
    "rate_limit_per_minute",
)
# In the order of Facts, after the number.
_FACTS = (
    *("pk", "slug", "rate_limit_per_minute", "events_per_month"),
    *("time_zone", "rollup_zone", "history_from"),
)
# How exact last_used_at is.
USE_SECONDS = 60.0


class Key(NamedTuple):
    """A key that is not revoked, of a project that is not deleted.

    `limit` is in requests a minute; None: its address's limit.
    """

    id: int
    project: int
    slug: str
    scopes: frozenset[str]
    expires_at: datetime | None
    limit: int | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


class Facts(NamedTuple):
    """What every process has to know of a project; see `projects.models.Project`."""

    slug: str
    limit: int | None
    quota: int | None
    zone: str
    rollup_zone: str | None
    history_from: date | None


class KeysUnknown(Exception):
    """PostgreSQL can't say now whether there is such a key or project."""


class Keyring:
    """A thread of its own reads the keys: if PostgreSQL hangs, requests wait only for a moment."""

    def __init__(self) -> None:
        self._done = Condition()
        self._background = BackgroundWork("api keys", self._refresh, linger=0.0, longest_pause=5.0)
        self.forget()

    def forget(self) -> None:
        """Go back to the state of a process that has just started."""
        self._keys: dict[bytes, Key] = {}
        self._projects: dict[str, int] = {}
        self._facts: dict[int, Facts] = {}
        self._read_at = self._wanted_from = float("-inf")
        self._is_down = False
        self._looks, self._looked_at = float(LOOKS), 0.0
        self._noted: dict[int, float] = {}
        self._used: dict[int, datetime] = {}

    def find(self, digest: bytes) -> Key | None:
        """The key with this digest, or None. It may have expired. Raises KeysUnknown."""
        return self._found(lambda: self._keys.get(digest))

    def known(self, digest: bytes) -> Key | None:
        """The key with this digest, if this process knows it. Never waits."""
        return self._keys.get(digest)

    @property
    def is_current(self) -> bool:
        """Whether what this process knows holds now. Never waits, and reads soon what is stale."""
        if self._is_stale:
            self._background.soon()
        return self._read_at >= time.monotonic() - KEPT_SECONDS

    def find_project(self, slug: str) -> int | None:
        """The number of the project with this slug, or None. Raises KeysUnknown."""
        return self._found(lambda: self._projects.get(slug))

    def find_zone(self, project: int) -> str | None:
        """The time zone of the project, or None. It may be an old one if PostgreSQL is down.

        Raises KeysUnknown.
        """
        return self._found(lambda: facts.zone if (facts := self._facts.get(project)) else None)

    def rollup_zone(self, project: int) -> str | None:
        """The zone whose days the project's rollups hold.

        None if they hold no zone's, and if what was read of PostgreSQL is older than KEPT_SECONDS:
        the rollups may hold another zone's by now.
        """
        if not self._are_since(time.monotonic() - KEPT_SECONDS):
            return None
        facts = self._facts.get(project)
        return facts.rollup_zone if facts else None

    def known_project(self, slug: str) -> int | None:
        """The number of the project with this slug, if this process knows it. Never waits."""
        return self._projects.get(slug)

    def facts_of(self, project: int) -> Facts | None:
        """What this process knows of the project; None if it knows nothing.

        Waits only in a process that has just started, for the first read.
        """
        if self._read_at == float("-inf"):
            self._are_since(time.monotonic())
        elif self._is_stale:
            self._background.soon()
        return self._facts.get(project)

    def limit_of(self, project: int) -> int | None:
        """The requests a minute of a project; None if it has no limit."""
        facts = self.facts_of(project)
        return facts.limit if facts else None

    def _found(self, look: Callable[[], T | None]) -> T | None:
        now = time.monotonic()
        is_current = self._are_since(now - KEPT_SECONDS)
        found = look()
        if found is None and self._read_at < now and self._may_look(now):
            is_current = self._are_since(now)
            found = look()
        if found is None and not is_current:
            raise KeysUnknown
        return found

    def note_use(self, key: Key) -> None:
        """Note the time for last_used_at, at most once a minute. The background writes it."""
        now = time.monotonic()
        if now - self._noted.get(key.id, float("-inf")) > USE_SECONDS:
            self._noted[key.id] = now
            self._used[key.id] = datetime.now(UTC)
            self._background.soon()

    def _may_look(self, now: float) -> bool:
        """Whether an unknown key may cause a read now.

        Two threads may take the same look at once. That only allows one read more.
        """
        more = (now - self._looked_at) / LOOK_SECONDS
        self._looks, self._looked_at = min(LOOKS, self._looks + more), now
        if self._looks < 1:
            return False
        self._looks -= 1
        return True

    def _are_since(self, moment: float) -> bool:
        """Whether the keys in memory were read at `moment` or later. Waits for a read if needed."""
        if self._read_at >= moment:
            if self._is_stale:
                self._background.soon()
            return True
        self._wanted_from = max(self._wanted_from, moment)
        self._background.soon()
        # While PostgreSQL is down, only the background waits for it, and no request does.
        return not self._is_down and self._come_in_time(moment)

    def _come_in_time(self, moment: float) -> bool:
        is_first = self._read_at == float("-inf")
        patience = _FIRST_PATIENCE_SECONDS if is_first else _PATIENCE_SECONDS
        with self._done:
            self._done.wait_for(lambda: self._read_at >= moment or self._is_down, patience)
            self._is_down = self._read_at < moment
            return not self._is_down

    @property
    def _is_stale(self) -> bool:
        return self._read_at < time.monotonic() - FRESH_SECONDS

    def _refresh(self) -> bool:
        if self._is_stale or self._is_down or self._read_at < self._wanted_from:
            self._read()
        self._write_uses()
        return not self._is_down

    def _read(self) -> None:
        began = time.monotonic()
        projects = Project.objects.filter(deleted_at=None).values_list(*_FACTS)
        rows = ApiKey.objects.filter(revoked_at=None, project__deleted_at=None).order_by("-pk")
        try:
            keys = {
                bytes(digest): Key(pk, project, slug, frozenset(scopes), expires_at, limit)
                for digest, pk, project, slug, scopes, expires_at, limit in rows.values_list(
                    *_COLUMNS
                )[:MAX_KEYS]
            }
            found = list(projects)
        except (db.Error, psycopg.Error) as error:
            if not self._is_down:
                log.warning("api_keys_unreadable", error=type(error).__name__)
            self._tell(is_down=True)
            _drop_dead_connections()
        else:
            self._keys = keys
            self._facts = {pk: Facts(*facts) for pk, *facts in found}
            self._projects = {facts.slug: pk for pk, facts in self._facts.items()}
            # Last, or another thread would take what was there before for this.
            self._read_at = began
            self._tell(is_down=False)

    def _tell(self, *, is_down: bool) -> None:
        with self._done:
            self._is_down = is_down
            self._done.notify_all()

    def _write_uses(self) -> None:
        used: dict[int, datetime] = {}
        while self._used:
            key, at = self._used.popitem()
            used[key] = at
        if not used or self._is_down:
            return
        try:
            with db.connection.cursor() as cursor:
                cursor.execute(load("key_uses"), {"ids": [*used], "at": [*used.values()]})
        except (db.Error, psycopg.Error) as error:
            # These uses are lost. That does no harm: last_used_at stays at an earlier use.
            log.warning("key_uses_unwritten", error=type(error).__name__)


def _drop_dead_connections() -> None:
    """When PostgreSQL has restarted, each connection in the pool is dead, and would cost a read."""
    connection: Any = db.connection
    connection.close()
    if connection.pool:
        connection.pool.check()


keyring = Keyring()
