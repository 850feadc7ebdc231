"""The API keys as a process knows them: all of them in memory, read anew every few seconds.

So a request asks no database for its key, a stranger with random keys reaches neither PostgreSQL
nor the memory, and while PostgreSQL is down the keys of before go on being accepted.
"""

import time
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple

import psycopg
from django import db
from structlog import get_logger

from events.models import ApiKey
from events.on_demand import OnDemand
from events.sql import load

log = get_logger(__name__)

# What is older is read anew in the background, and past the second no longer relied on: a key that
# was revoked is refused after that long, unless PostgreSQL is down.
FRESH_SECONDS = 2.0
KEPT_SECONDS = 5.0
# A key that is not there may have been made a moment ago: so many looks for such at once, and one
# in so many seconds. A stranger who uses them up delays new keys by that.
LOOKS = 10
LOOK_SECONDS = 0.5
# Keys in force at a time, about half a kilobyte each in every process.
MAX_KEYS = 10_000
# Somebody else reads them, and PostgreSQL takes longer than this: it counts as down till then.
_PATIENCE_SECONDS = 1.0
# How exact last_used_at is.
USE_SECONDS = 60.0


class Key(NamedTuple):
    """A key that was not revoked; `limit` is of requests a minute, None for the address's."""

    id: int
    scopes: frozenset[str]
    expires_at: datetime | None
    limit: int | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


class KeysUnknown(Exception):
    """PostgreSQL can't say now whether there is such a key."""


class Keyring:
    def __init__(self) -> None:
        self._lock = Lock()
        self._background = OnDemand("api keys", self._refresh, linger=0.0, longest_pause=5.0)
        self.forget()

    def forget(self) -> None:
        """As in a process that has just started."""
        self._keys: dict[bytes, Key] = {}
        self._read_at = float("-inf")
        self._is_down = False
        self._looks, self._looked_at = float(LOOKS), 0.0
        self._noted: dict[int, float] = {}
        self._used: dict[int, datetime] = {}

    def find(self, digest: bytes) -> Key | None:
        """The key of this digest, which may have expired. Raises KeysUnknown."""
        now = time.monotonic()
        is_current = self._read_if_before(now - KEPT_SECONDS)
        key = self._keys.get(digest)
        if key is None and self._read_at < now and self._may_look(now):
            is_current = self._read_if_before(now)
            key = self._keys.get(digest)
        if key is None and not is_current:
            raise KeysUnknown
        return key

    def note_use(self, key: Key) -> None:
        """For last_used_at, to be written in the background; at most once a minute."""
        now = time.monotonic()
        if now - self._noted.get(key.id, float("-inf")) > USE_SECONDS:
            self._noted[key.id] = now
            self._used[key.id] = datetime.now(UTC)
            self._background.soon()

    def _may_look(self, now: float) -> bool:
        """Two threads at once may take the same look, which only makes it one more."""
        more = (now - self._looked_at) / LOOK_SECONDS
        self._looks, self._looked_at = min(LOOKS, self._looks + more), now
        if self._looks < 1:
            return False
        self._looks -= 1
        return True

    def _read_if_before(self, moment: float) -> bool:
        """Whether the keys in memory are of `moment` or later, read anew if need be."""
        if self._read_at >= moment:
            if self._is_stale:
                self._background.soon()
            return True
        # Down, the background looks when it is back: no request waits for that.
        if self._is_down:
            return False
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            self._is_down = True
            self._background.soon()
            return False
        try:
            if self._read_at < moment:
                self._read()
            return not self._is_down
        finally:
            self._lock.release()

    @property
    def _is_stale(self) -> bool:
        return self._read_at < time.monotonic() - FRESH_SECONDS

    def _refresh(self) -> bool:
        with self._lock:
            if self._is_stale or self._is_down:
                self._read()
        self._write_uses()
        return not self._is_down

    def _read(self) -> None:
        began = time.monotonic()
        names = ("digest", "pk", "scopes", "expires_at", "rate_limit_per_minute")
        rows = ApiKey.objects.filter(revoked_at=None).order_by("-pk").values_list(*names)
        try:
            self._keys = {
                bytes(digest): Key(pk, frozenset(scopes), expires_at, limit)
                for digest, pk, scopes, expires_at, limit in rows[:MAX_KEYS]
            }
        except (db.Error, psycopg.Error) as error:
            if not self._is_down:
                log.warning("api_keys_unreadable", error=type(error).__name__)
            self._is_down = True
            self._background.soon()
        else:
            self._read_at, self._is_down = began, False

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
            # A minute that nobody will miss.
            log.warning("key_uses_unwritten", error=type(error).__name__)


keyring = Keyring()
