"""API keys as a process knows them: fresh within seconds, in bounds, and without PostgreSQL."""

import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from projects import keyring, keys
from projects.keyring import KEPT_SECONDS, Keyring, KeysUnknown
from projects.models import ApiKey
from tests.meanwhile import beside, end_own_connections, impatient, in_thread, waiting_for_locks
from tests.projects.made_keys import bearer, made, secret
from tests.samples import event
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "keys_required")
# After so long every process refuses a key that was revoked: the README says so.
REVOKED_SECONDS = 5.0
CONNECTIONS = 6


@pytest.fixture
def keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    settings.RATE_LIMIT_PER_MINUTE = 0


@contextmanager
def postgresql_down() -> Iterator[None]:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", fail)
        yield


@contextmanager
def reads_of(ring: Keyring) -> Iterator[list[float]]:
    """When its thread has read the keys."""
    reads: list[float] = []
    read = ring._read

    def counted() -> None:
        reads.append(time.monotonic())
        read()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring, "_read", counted)
        yield reads


def status(client: Client, key: str) -> int:
    """Of a request that itself needs no database."""
    answer = client.post("/events", [event()], content_type="application/json", headers=bearer(key))
    return answer.status_code


def test_a_known_key_costs_no_query(client: Client) -> None:
    key = secret("ingest")
    assert status(client, key) == 202
    with CaptureQueriesContext(connection) as queries:
        for _ in range(50):
            assert status(client, key) == 202
    assert not [query for query in queries.captured_queries if "api_keys" in query["sql"]]


def test_a_key_is_looked_up_once_a_request(settings: Any) -> None:
    client = Client()
    settings.RATE_LIMIT_PER_MINUTE = 1000
    ring, looked_up = keyring.keyring, []
    find = ring.find

    def counted(digest: bytes) -> keyring.Key | None:
        looked_up.append(digest)
        return find(digest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring, "find", counted)
        assert status(client, secret("ingest")) == 202
        assert status(client, "ea_" + secrets.token_urlsafe(32)) == 401
    assert len(looked_up) == 2


def test_a_key_made_a_moment_ago_is_known(client: Client) -> None:
    for _ in range(keyring.LOOKS):
        assert status(client, secret("ingest")) == 202


def test_a_stranger_has_some_looks_at_once_and_then_one_at_a_time() -> None:
    ring, now = Keyring(), 100.0
    looks = [ring._may_look(now) for _ in range(keyring.LOOKS + 1)]
    assert looks == [True] * keyring.LOOKS + [False]
    assert [ring._may_look(now + keyring.LOOK_SECONDS) for _ in range(2)] == [True, False]


def test_a_new_key_is_known_soon_while_a_stranger_tries_others(client: Client) -> None:
    for _ in range(50):
        status(client, "ea_" + secrets.token_urlsafe(32))
    key = secret("ingest")
    began = time.monotonic()
    while status(client, key) != 202:
        assert time.monotonic() - began < 2 * keyring.LOOK_SECONDS
        time.sleep(0.05)


def test_a_revoked_key_is_refused_within_the_time_it_says(client: Client) -> None:
    row, key = made("ingest")
    assert status(client, key) == 202
    keys.revoke(row)
    began = time.monotonic()
    while status(client, key) != 401:
        assert time.monotonic() - began <= REVOKED_SECONDS
        time.sleep(0.1)


def test_a_revoked_key_is_refused_at_once_after_a_quiet_time(client: Client) -> None:
    row, key = made("ingest")
    assert status(client, key) == 202
    keys.revoke(row)
    # As if nothing had been asked for so long.
    keyring.keyring._read_at -= REVOKED_SECONDS
    assert status(client, key) == 401


def test_hundreds_of_random_keys_cost_few_queries_and_no_memory(client: Client) -> None:
    known = secret("ingest")
    assert status(client, known) == 202
    ring = keyring.keyring
    began = time.monotonic()
    with reads_of(ring) as reads, CaptureQueriesContext(connection) as queries:
        for _ in range(300):
            random = "ea_" + secrets.token_urlsafe(32)
            assert client.get("/events", headers=bearer(random)).status_code == 401
    seconds = time.monotonic() - began
    assert not queries.captured_queries
    assert len(reads) <= 1 + keyring.LOOKS + seconds / keyring.LOOK_SECONDS
    assert len(ring._keys) == 1
    assert len(ring._noted) == 1
    assert sys.getsizeof(ring._used) < 500


def test_no_more_keys_are_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "MAX_KEYS", 2)
    oldest, *others = [secret("read") for _ in range(3)]
    ring = Keyring()
    found = [ring.find(keys.digest(key)) for key in (oldest, *others)]
    assert [key is not None for key in found] == [False, True, True]


def test_without_postgresql_keys_seen_before_are_accepted_and_others_wait(client: Client) -> None:
    key, never_seen = secret("ingest"), "ea_" + secrets.token_urlsafe(32)
    assert status(client, key) == 202
    with postgresql_down():
        keyring.keyring._read_at -= KEPT_SECONDS
        began = time.monotonic()
        assert {status(client, key) for _ in range(20)} == {202}
        answer = client.get("/events", headers=bearer(never_seen))
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert answer["Content-Type"] == "application/problem+json"
        assert time.monotonic() - began < 5
    wait_until(lambda: status(client, never_seen) == 401)


def test_without_postgresql_a_wrong_scope_stays_wrong(client: Client) -> None:
    key = secret("read")
    assert status(client, key) == 403
    with postgresql_down():
        keyring.keyring._read_at -= KEPT_SECONDS
        assert status(client, key) == 403


def test_a_process_that_starts_without_postgresql_knows_no_key_yet(client: Client) -> None:
    key = secret("ingest")
    with postgresql_down():
        assert status(client, key) == 503
        assert status(client, "nonsense") == 401
    wait_until(lambda: status(client, key) == 202)


def test_after_a_restart_of_postgresql_a_new_key_is_known_within_a_second() -> None:
    ring, begun = Keyring(), Barrier(CONNECTIONS)
    ring.find(b"")

    def connect() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            begun.wait(20)
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda _: connect(), range(CONNECTIONS)))
    end_own_connections()
    digest = keys.digest(secret())
    began = time.monotonic()
    wait_until(lambda: _is_known(ring, digest))
    assert time.monotonic() - began < 1


def _is_known(ring: Keyring, digest: bytes) -> bool:
    try:
        return ring.find(digest) is not None
    except KeysUnknown:
        return False


def test_who_waits_for_the_keys_goes_on_as_soon_as_it_is_known_how_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_PATIENCE_SECONDS", "_FIRST_PATIENCE_SECONDS"):
        monkeypatch.setattr(keyring, name, 60.0)
    key, ring, began = secret("read"), Keyring(), time.monotonic()
    assert ring.find(keys.digest(key)) is not None
    with capture_logs() as logs, postgresql_down(), reads_of(ring) as reads:
        ring._read_at -= KEPT_SECONDS
        with pytest.raises(keyring.KeysUnknown):
            ring.find(keys.digest("unknown"))
        assert ring.find(keys.digest(key)) is not None
        wait_until(lambda: len(reads) > 2)
    # Nobody asks meanwhile.
    wait_until(lambda: not ring._is_down)
    assert time.monotonic() - began < 50
    assert [line["event"] for line in logs].count("api_keys_unreadable") == 1


def test_the_first_read_of_a_process_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_PATIENCE_SECONDS", 0.0)
    assert Keyring().find(keys.digest(secret("read"))) is not None


def test_requests_do_not_wait_for_a_read_that_hangs(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, ring = secret("ingest"), keyring.keyring
    assert status(client, key) == 202
    comes_back, read = Event(), ring._read

    def hang() -> None:
        comes_back.wait(60)
        read()

    monkeypatch.setattr(ring, "_read", hang)
    ring._read_at -= KEPT_SECONDS
    began = time.monotonic()
    try:
        assert {status(client, key) for _ in range(20)} == {202}
        assert status(client, "ea_" + "A" * 43) == 503
        # One waits for a second; each for itself they would for twenty.
        assert time.monotonic() - began < 12
    finally:
        comes_back.set()
    wait_until(lambda: status(client, "ea_" + "A" * 43) == 401)


def test_keys_are_as_old_as_the_beginning_of_their_read() -> None:
    """One may be revoked between the read and its end, however far apart they are."""
    ring = Keyring()
    with ExitStack() as stack, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        stack.enter_context(beside(ring._read))
        wait_until(lambda: waiting_for_locks() > 0)
        began_before = time.monotonic()
    assert ring._read_at <= began_before


def test_many_who_ask_together_read_once() -> None:
    row, key = made("read")
    ring = Keyring()
    with reads_of(ring) as reads, ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: ring.find(keys.digest(key)), range(64)))
    assert {one.id for one in found if one} == {row.pk}
    assert len(reads) == 1


def test_the_last_use_is_written_in_the_background_once_a_minute(client: Client) -> None:
    row, key = made("ingest")
    assert status(client, key) == 202
    wait_until(lambda: used(row) is not None)
    first = used(row)
    for _ in range(5):
        assert status(client, key) == 202
    time.sleep(0.5)
    assert used(row) == first
    # As if a minute had passed.
    keyring.keyring._noted.clear()
    assert status(client, key) == 202
    wait_until(lambda: used(row) != first)


def test_a_refused_use_is_none(client: Client) -> None:
    row, key = made("ingest")
    keys.revoke(row)
    assert status(client, key) == 401
    time.sleep(0.3)
    assert used(row) is None


def test_a_last_use_that_can_not_be_written_harms_nothing(client: Client) -> None:
    _, key = made("ingest")
    assert status(client, key) == 202
    keyring.keyring._noted.clear()
    with postgresql_down():
        assert status(client, key) == 202
        time.sleep(0.3)
    assert status(client, key) == 202


def test_a_later_use_that_another_process_has_seen_stays_the_last() -> None:
    row, _ = made("ingest")
    later = datetime.now(UTC) + timedelta(minutes=1)
    ApiKey.objects.update(last_used_at=later)
    ring = Keyring()
    ring._used[row.pk] = datetime.now(UTC)
    ring._write_uses()
    assert used(row) == later


def test_a_last_use_waits_for_nobody_who_has_locked_a_key() -> None:
    locked, free = made("ingest")[0], made("ingest")[0]
    ring = Keyring()
    ring._used = {locked.pk: datetime.now(UTC), free.pk: datetime.now(UTC)}
    with transaction.atomic():
        ApiKey.objects.select_for_update().get(pk=locked.pk)
        in_thread(impatient(ring._write_uses))
        assert used(free) is not None
        assert used(locked) is None


def used(row: ApiKey) -> Any:
    return ApiKey.objects.values_list("last_used_at", flat=True).get(pk=row.pk)


def test_keys_that_are_fresh_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "FRESH_SECONDS", 600.0)
    ring = Keyring()
    assert ring.find(keys.digest(secret())) is not None
    with reads_of(ring) as reads, CaptureQueriesContext(connection) as queries:
        assert ring._refresh()
    assert (reads, queries.captured_queries) == ([], [])


def test_keys_that_are_stale_are_read_anew_while_they_are_relied_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = made()[1]
    ring = Keyring()
    assert ring.find(keys.digest(key)) is not None
    monkeypatch.setattr(keyring, "FRESH_SECONDS", 0.0)
    with reads_of(ring) as reads:
        assert ring.find(keys.digest(key)) is not None
        wait_until(lambda: bool(reads))
