"""`Idempotency-Key`: the same upload sent again, meanwhile, or in place of one that died."""

import hashlib
import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test import Client

from importer.models import Import
from importer.receiving import upload_jobs, uploads
from projects.models import DEFAULT
from tests.importer.receiving.uploading import csv_of, post
from tests.stored import counts
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "folder")


KEY = {"Idempotency-Key": "june-2026"}


def test_the_same_request_again_answers_as_the_first_time_and_is_imported_once(
    client: Client,
) -> None:
    body = csv_of(20)
    first = post(client, body, "?name=a.csv", **KEY)
    assert post(client, body, "?name=a.csv", **KEY) == first
    upload_jobs.import_waiting()
    assert post(client, body, "?name=a.csv", **KEY) == first
    assert Import.objects.count() == 1


@pytest.mark.parametrize("query", ["", "?rest=ignore"])
def test_another_payload_under_the_same_key_is_422(client: Client, query: str) -> None:
    body = csv_of(20)
    assert post(client, body, **KEY)[0] == 202
    other = body if query else body.replace(b"UA", b"DE")
    status, problem = post(client, other, query, **KEY)
    assert status == 422
    assert "another file or other parameters" in problem["detail"]
    assert Import.objects.count() == 1


def test_the_same_key_while_the_first_is_still_coming_in_is_409(client: Client) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            waiting.wait(10)
            return super().read(size)

    body, waiting = csv_of(5), threading.Event()
    first = threading.Thread(target=_receive, args=(Slow(body), len(body)))
    first.start()
    wait_until(lambda: Import.objects.filter(state=Import.State.RECEIVING).exists())
    assert post(client, body, **KEY)[0] == 409
    waiting.set()
    first.join(10)
    assert post(client, body, **KEY)[0] == 202
    assert Import.objects.count() == 1


def _receive(stream: Any, size: int) -> None:
    uploads.receive(project=DEFAULT, stream=stream, size=size, name="", given={}, key="june-2026")
    connections.close_all()


def test_a_key_whose_process_was_killed_can_be_used_again(client: Client) -> None:
    body = csv_of(5)
    row = Import.objects.create(
        key="0" * 32, upload=True, state="receiving", idempotency_key="june-2026", receiver=uuid4()
    )
    assert post(client, body, **KEY)[0] == 409
    Import.objects.filter(pk=row.pk).update(updated_at=datetime.now(UTC) - timedelta(minutes=2))
    status, taken = post(client, body, **KEY)
    assert (status, taken["id"]) == (202, str(row.pk))


class _Overtaken(io.BytesIO):
    """A body so slow that another request with its key comes in whole meanwhile."""

    def __init__(self, body: bytes, client: Client, cut: int) -> None:
        super().__init__(body[: len(body) - cut])
        self.body, self.client = body, client

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.tell():
            long_ago = datetime.now(UTC) - timedelta(minutes=2)
            Import.objects.update(updated_at=long_ago)
            assert post(self.client, self.body, **KEY)[0] == 202
        return super().read(size)


@pytest.mark.parametrize("cut", [0, 10])
def test_a_request_that_was_taken_for_dead_harms_the_one_that_took_over(
    client: Client, folder: Path, cut: int
) -> None:
    body = csv_of(5)
    with pytest.raises((uploads.StillReceiving, uploads.CutShort)):
        _receive(_Overtaken(body, client, cut), len(body))
    upload_jobs.import_waiting()
    assert Import.objects.get().state == Import.State.DONE
    assert counts() == (5, 5, 5)
    assert list(folder.iterdir()) == []


class _Watched(io.BytesIO):
    """A body in small pieces: when its row was last updated, and who has a connection meanwhile."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.beats: list[datetime] = []
        self.is_connected: list[bool] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_connected.append(connection.connection is not None)
        self.beats += Import.objects.values_list("updated_at", flat=True)
        return super().read(100)


def test_a_request_that_takes_long_says_meanwhile_that_it_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BEAT_SECONDS", -1.0)
    body = _Watched(csv_of(5))
    _receive(body, len(body.getvalue()))
    assert Import.objects.get().state == Import.State.WAITING
    assert len(set(body.beats)) == len(body.beats) > 3
    assert not any(body.is_connected)


def test_a_request_that_is_quick_says_nothing_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BEAT_SECONDS", 600.0)
    body = _Watched(csv_of(5))
    _receive(body, len(body.getvalue()))
    assert len(set(body.beats)) == 1


def test_a_key_whose_request_was_refused_meanwhile_is_free_for_the_next() -> None:
    with pytest.raises(uploads.StillReceiving):
        uploads._known(Import(project_id=DEFAULT, idempotency_key="june-2026", receiver=uuid4()))


def test_a_body_cut_short_leaves_nothing_and_its_key_free(folder: Path) -> None:
    body = csv_of(5)
    with pytest.raises(uploads.CutShort):
        _receive(io.BytesIO(body[:-10]), len(body))
    assert not Import.objects.exists()
    assert list(folder.iterdir()) == []
    _receive(io.BytesIO(body), len(body))
    assert Import.objects.get().fingerprint == hashlib.sha256(body).hexdigest()
