"""Whatever fails around an import: stores that restart, a lost lock, a file that changes."""

import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from events.delivery.deliver import deliver_due
from events.models import Batch
from events.postgres.lock import take as take_lock
from importer.models import Import
from importer.reading.chunks import FileRefused
from importer.running import delivery, lock, store
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests.importer.importing import import_events, refused, rows_of, written
from tests.importer.running import ROWS, in_thread, is_past, reached
from tests.meanwhile import end_own_connections
from tests.stored import counts, deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "small_batches")


@pytest.fixture
def fresh_pool() -> Iterator[None]:
    """No later test is handed a connection that this one has ended."""
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fresh_pool")
def test_postgresql_restarting_amid_an_import_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The deliverer's connection ends too: what it had claimed is free after its lease only.
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 1.0)
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    ended: list[Any] = []
    thread = in_thread(path, ended)
    for goal in (1000, 4000, 7000):
        wait_until(partial(is_past, goal, ended))
        end_own_connections()
    thread.join(60)
    [summary] = ended
    assert (summary.row.read, summary.row.stored, summary.row.duplicates) == (ROWS, ROWS, 0)
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (ROWS, ROWS, ROWS)


@pytest.mark.usefixtures("fresh_pool")
def test_an_import_that_lost_its_lock_to_another_stores_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored = store.Storer._store
    others: list[Any] = []

    def lose_the_lock(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        if not others:
            lock._held[self._row.key]._own.close()  # as a connection that breaks does
            others.append(take_lock(int.from_bytes(bytes.fromhex(self._row.key)[:8], signed=True)))

    monkeypatch.setattr(store.Storer, "_store", lose_the_lock)
    try:
        assert "is being imported by another process" in refused(path)[1]
    finally:
        others[0].release()
    assert (Import.objects.get().read, Import.objects.get().state) == (1000, "running")
    assert "stored 3000" in import_events(path)[0]


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored, lost = store.Storer._store, [2]

    def lose_the_answer(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        lost[0] -= 1
        if not lost[0]:
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store.Storer, "_store", lose_the_answer)
    summary = import_file(path, Run(DEFAULT))
    assert (summary.row.read, summary.row.stored, summary.row.duplicates) == (3000, 3000, 0)


def test_a_postgresql_that_stays_away_ends_it_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[int]()

    def away(*_: Any) -> None:
        tried.append(1)
        raise psycopg.OperationalError("connection refused")

    path = written(tmp_path / "events.csv", rows_of(10))
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(store.Storer, "_store", away)
        _, complaints = refused(path)
    assert "PostgreSQL failed: connection refused" in complaints
    assert "run the same command again" in complaints
    # With a pause after each, longer each time.
    assert len(tried) <= 4
    assert "stored 10" in import_events(path)[0]


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["of psycopg", "of Django"])
def test_a_postgresql_whose_disk_is_full_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_wrapped: bool
) -> None:
    tried = list[int]()

    def full(*_: Any) -> None:
        tried.append(1)
        error = psycopg.errors.DiskFull("no space left on device")
        if is_wrapped:
            raise OperationalError(str(error)) from error
        raise error

    monkeypatch.setattr(store, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(store.Storer, "_store", full)
    assert "no space left" in refused(written(tmp_path / "events.csv", rows_of(10)))[1]
    assert len(tried) == 1


def test_an_import_that_is_stopped_waits_for_postgresql_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, tried = threading.Event(), []

    def away(*_: Any) -> None:
        stop.set()
        tried.append(1)
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(store, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(store.Storer, "_store", away)
    with pytest.raises(psycopg.OperationalError):
        import_file(written(tmp_path / "events.csv", rows_of(10)), Run(DEFAULT, stop=stop))
    assert len(tried) == 1
    assert Import.objects.get().state == Import.State.STOPPED


def test_clickhouse_restarting_amid_an_import_loses_and_doubles_nothing(
    tmp_path: Path, settings: Any
) -> None:
    path = written(tmp_path / "events.csv", rows_of(ROWS))
    ended: list[Any] = []
    there, thread = settings.CLICKHOUSE_URL, in_thread(path, ended)
    wait_until(lambda: reached() >= 2000)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    wait_until(partial(is_past, 6000, ended))
    settings.CLICKHOUSE_URL = there
    thread.join(60)
    assert not isinstance(ended[0], Exception)
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (ROWS, ROWS, ROWS)


@pytest.mark.usefixtures("no_delivery")
def test_an_import_waits_for_clickhouse_while_too_many_batches_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAITING_AT_MOST", 2)
    path, ended = written(tmp_path / "events.csv", rows_of(6000)), list[Any]()
    in_thread(path, ended)
    wait_until(lambda: reached() >= 3000)
    time.sleep(0.5)
    assert reached() == 3000
    wait_until(lambda: deliver_due() and ended)
    assert ended[0].row.stored == 6000


def test_a_file_that_changes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "events.csv", rows_of(3000))
    stored = store.Storer.store

    def grow(self: store.Storer, batch: Any) -> None:
        stored(self, batch)
        with path.open("a") as file:
            file.write("more\n")

    monkeypatch.setattr(store.Storer, "store", grow)
    with pytest.raises(FileRefused, match="changed while it was read"):
        import_file(path, Run(DEFAULT))
    assert Import.objects.get().state == Import.State.FAILED
    assert os.path.getsize(path) > 0
