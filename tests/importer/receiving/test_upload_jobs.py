"""Uploads and the workers that import them: killed, two at once, out of room."""

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.test import Client
from kombu import pools

from embedded import ports
from importer.models import Import
from importer.receiving import upload_jobs
from importer.running import delivery
from importer.running.lock import InProgress
from tests.importer.receiving.uploading import HEADER, csv_of, post, shown
from tests.meanwhile import at_once, before
from tests.stored import counts, deliver_all

pytestmark = pytest.mark.usefixtures("stores", "folder")


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_file_that_kills_its_workers_is_given_up(
    client: Client, folder: Path, is_gone: bool
) -> None:
    _, taken = post(client, csv_of(5))
    if is_gone:
        next(folder.iterdir()).unlink()
    Import.objects.update(state="running", attempts=upload_jobs.MAX_ATTEMPTS)
    upload_jobs.import_waiting()
    failed = shown(client, taken["href"])
    assert failed["state"] == "failed"
    assert "gave up after" in failed["error"]
    assert list(folder.iterdir()) == []


def test_a_redis_that_says_nothing_is_waited_for_once_and_the_upload_is_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.create_server((ports.HOST, 0), backlog=50) as silent,
        current_app.connection_for_write(
            f"redis://{ports.HOST}:{silent.getsockname()[1]}/0"
        ) as there,
    ):
        there.transport_options["socket_timeout"] = 1
        monkeypatch.setattr(current_app.amqp, "_producer_pool", pools.producers[there])
        began = time.monotonic()
        status, taken = post(client, csv_of(5))
        assert status == 202
        assert time.monotonic() - began < 3
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["stored"] == 5


def test_an_upload_whose_options_mean_nothing_any_more_holds_up_no_other(
    client: Client, folder: Path
) -> None:
    _, old = post(client, csv_of(5))
    Import.objects.update(options={"preset": "of a version before"})
    _, taken = post(client, csv_of(7))
    upload_jobs.import_waiting()
    assert shown(client, old["href"])["state"] == "failed"
    assert "preset 'of a version before' is unknown" in shown(client, old["href"])["error"]
    assert shown(client, taken["href"])["stored"] == 7


def test_an_import_that_another_took_over_meanwhile_is_left_to_him(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5))

    def taken_over(*_: Any) -> None:
        raise InProgress("another process is at it")

    with monkeypatch.context() as patch:
        patch.setattr("importer.running.run.Storer.store", taken_over)
        upload_jobs.import_waiting()
    assert shown(client, taken["href"])["state"] == "running"
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["stored"] == 5


def test_where_rejected_rows_have_no_room_an_upload_waits(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5) + b"bad\n")
    (rejected,) = [folder / f"{taken['id']}.rejected.csv"]
    rejected.mkdir()
    monkeypatch.setattr("importer.reading.rejects.Path.replace", lambda *_: None)
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["state"] == "stopped"
    assert "cannot be written" in shown(client, taken["href"])["error"]
    rejected.rmdir()
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["state"] == "done"


@pytest.mark.parametrize(
    "bounds", [{"REJECTED_BYTES": 1000}, {"REJECTED_LEAST_BYTES": 1000, "REJECTED_TIMES": 2}]
)
def test_what_is_rejected_past_all_bounds_ends_an_upload(
    bounds: dict[str, int], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bounds.items():
        monkeypatch.setattr(upload_jobs, name, value)
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    _, taken = post(client, HEADER.encode() + b"x\n" * 3000)
    upload_jobs.import_waiting()
    failed = shown(client, taken["href"])
    assert (failed["state"], failed["read"]) == ("failed", 1000)
    assert "rejected rows take more than" in failed["error"]


@pytest.mark.parametrize(("size", "most"), [(0, 16), (2, 40), (100, 256)])
def test_the_bound_of_rejected_rows_follows_the_file(size: int, most: int) -> None:
    row = Import(size=size * 1024**2)
    assert upload_jobs._rejected_bytes(row) == most * 1024**2


def test_rejected_rows_leave_room_on_the_disk(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5) + b"bad\n")
    with monkeypatch.context() as patch:
        patch.setattr(upload_jobs, "KEPT_FREE_BYTES", 1 << 60)
        upload_jobs.import_waiting()
    stopped = shown(client, taken["href"])
    assert (stopped["state"], stopped["read"]) == ("stopped", 0)
    assert "the disk has too little free space" in stopped["error"]
    assert not (folder / f"{taken['id']}.rejected.csv").exists()
    upload_jobs.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["stored"], done["bad"]) == ("done", 5, 1)


def test_an_upload_whose_worker_was_killed_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    _, taken = post(client, csv_of(3500))

    _killed_behind(2, monkeypatch)
    assert shown(client, taken["href"])["read"] == 2000
    assert shown(client, taken["href"])["state"] == "running"
    upload_jobs.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["read"], done["stored"], done["duplicates"]) == (
        *("done", 3500, 3500, 0),
    )
    assert counts() == (3500, 3500, 3500)


def test_an_upload_that_gets_on_is_not_given_up_however_often_its_workers_are_killed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    _, taken = post(client, csv_of(2500))
    Import.objects.update(state="running", attempts=upload_jobs.MAX_ATTEMPTS - 1)
    _killed_behind(1, monkeypatch)
    assert Import.objects.get().attempts == 0
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["stored"] == 2500


def test_an_upload_that_another_worker_has_imported_meanwhile_is_left_as_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5))
    # Between the list of the uploads and the first of them.
    before(monkeypatch, upload_jobs, "alone", upload_jobs.import_waiting)
    upload_jobs.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["read"], done["error"]) == ("done", 5, "")


def test_the_upload_that_has_waited_longest_is_imported_first(client: Client) -> None:
    for name in ("first", "second", "third"):
        post(client, csv_of(1), f"?name={name}")
    upload_jobs.import_waiting()
    ended = Import.objects.order_by("finished_at").values_list("path", flat=True)
    assert list(ended) == ["first", "second", "third"]


def test_a_large_upload_gives_way_to_a_small_one_and_loses_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    _, large = post(client, csv_of(1500) + b"bad\n" + csv_of(2000)[len(HEADER) :], "?name=large")
    _, small = post(client, csv_of(5), "?name=small")
    with monkeypatch.context() as patch:
        patch.setattr(upload_jobs, "TURN_SECONDS", 0.0)
        upload_jobs._import(Import.objects.get(path="large"))
    waits = shown(client, large["href"])
    assert (waits["state"], waits["read"], waits["error"]) == ("waiting", 1000, "")
    assert waits["finished_at"] is None
    assert (folder / large["id"]).exists()
    row = Import.objects.get(path="large")
    assert (row.attempts, row.turns) == (0, 1)
    upload_jobs.import_waiting()
    assert list(Import.objects.order_by("finished_at").values_list("path", flat=True)) == [
        *("small", "large"),
    ]
    done = shown(client, large["href"])
    assert (done["state"], done["read"], done["stored"], done["bad"]) == ("done", 3501, 3500, 1)
    assert (done["duplicates"], shown(client, small["href"])["stored"]) == (0, 5)
    assert not (folder / large["id"]).exists()
    assert counts() == (3505, 3505, 3505)


def test_an_upload_that_nobody_waits_behind_has_no_turns(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    monkeypatch.setattr(upload_jobs, "TURN_SECONDS", 0.0)
    post(client, csv_of(3500))
    upload_jobs.import_waiting()
    assert Import.objects.values_list("state", "turns").get() == ("done", 0)


def test_large_uploads_take_turns_and_those_of_fewer_turns_come_first(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    monkeypatch.setattr(upload_jobs, "TURN_SECONDS", 0.0)
    begun: list[str] = []
    real = upload_jobs._import

    def noted(row: Import) -> None:
        begun.append(row.path)
        real(row)

    monkeypatch.setattr(upload_jobs, "_import", noted)
    for name in ("first", "second"):
        post(client, csv_of(2500), f"?name={name}")
    upload_jobs.import_waiting()
    assert begun[:4] == ["first", "second", "first", "second"]
    assert set(Import.objects.values_list("state", "stored", "duplicates")) == {("done", 2500, 0)}
    assert counts() == (5000, 5000, 5000)


def test_at_its_end_an_upload_waits_for_the_batches_of_all_its_turns(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    monkeypatch.setattr(upload_jobs, "TURN_SECONDS", 0.0)
    waited_since: list[datetime] = []
    real = delivery.finish

    def noted(*, since: datetime, **given: Any) -> int:
        waited_since.append(since)
        return real(since=since, **given)

    monkeypatch.setattr(delivery, "finish", noted)
    for name in ("first", "second"):
        post(client, csv_of(2500), f"?name={name}")
    upload_jobs.import_waiting()
    begun = Import.objects.filter(turns__gt=0).values_list("created_at", flat=True)
    assert begun
    assert {*begun} <= {*waited_since}


def test_an_upload_that_cannot_go_on_now_is_tried_once_and_holds_up_no_other(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stuck = post(client, csv_of(5) + b"bad\n")
    _, taken = post(client, csv_of(7))
    monkeypatch.setattr(upload_jobs, "KEPT_FREE_BYTES", 1 << 60)
    upload_jobs.import_waiting()
    assert shown(client, stuck["href"])["state"] == "stopped"
    assert shown(client, taken["href"])["stored"] == 7


class _Killed(BaseException):
    pass


def _killed_behind(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed once it has stored so many batches."""

    def die(*_: Any) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr("importer.running.run._recorded", _unrecorded)
        patch.setattr("importer.running.run.Storer.store", _stores(batches, die))
        with pytest.raises(_Killed):
            upload_jobs.import_waiting()


def _stores(batches: int, then: Any) -> Any:
    from importer.running.store import Storer  # noqa: PLC0415

    store, left = Storer.store, [batches]

    def limited(self: Any, batch: Any) -> None:
        if not left[0]:
            then()
        left[0] -= 1
        store(self, batch)

    return limited


class _unrecorded:  # noqa: N801 - stands for a function
    """A killed process writes nothing down."""

    def __init__(self, _row: Import) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        pass


def test_two_workers_at_once_import_an_upload_once(client: Client) -> None:
    for _ in range(3):
        post(client, csv_of(1500))
    at_once([upload_jobs.import_waiting] * 2)
    assert set(Import.objects.values_list("state", "read", "stored")) == {("done", 1500, 1500)}
    deliver_all()
    assert counts() == (4500, 4500, 4500)


def test_an_upload_whose_file_is_gone_fails_with_a_reason(client: Client, folder: Path) -> None:
    _, taken = post(client, csv_of(3), "?name=a.csv")
    next(folder.iterdir()).unlink()
    upload_jobs.import_waiting()
    failed = shown(client, taken["href"])
    assert failed["state"] == "failed"
    assert failed["error"] == "a.csv cannot be read: No such file or directory"


def test_old_uploads_and_what_never_came_whole_are_forgotten(
    client: Client, folder: Path, settings: Any
) -> None:
    _, taken = post(client, csv_of(3) + b"bad\n")
    upload_jobs.import_waiting()
    Import.objects.create(key="0" * 32, upload=True, state="receiving")
    later = datetime.now(UTC) + timedelta(days=settings.IMPORT_DAYS - 1)
    assert len(list(folder.iterdir())) == 1
    assert upload_jobs.purge(now=later) == 1
    assert upload_jobs.purge(now=later + timedelta(days=2)) == 1
    assert client.get(taken["href"]).status_code == 404
    assert list(folder.iterdir()) == []


def test_neither_uploads_on_their_way_in_nor_imports_of_commands_are_forgotten() -> None:
    now = datetime.now(UTC)
    Import.objects.create(key="0" * 32, upload=True, state="receiving")
    Import.objects.create(key="1" * 64, state="done", finished_at=now - timedelta(days=400))
    Import.objects.filter(upload=True).update(updated_at=now - timedelta(hours=23))
    assert upload_jobs.purge(now=now) == 0
    assert Import.objects.count() == 2
    assert upload_jobs.purge(now=now + timedelta(hours=2)) == 1
    assert Import.objects.count() == 1
