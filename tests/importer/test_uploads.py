"""`POST /imports`: a file by HTTP, imported once by a worker, its progress to be asked for."""

import gzip
import hashlib
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client

from importer import uploads
from importer.lock import InProgress
from importer.models import Import
from tests.events.test_batching import worker
from tests.importer.test_import_events import counts, rows_of
from tests.waiting import deliver_all, wait_until

pytestmark = pytest.mark.usefixtures("stores")

HEADER = "event_id,occurred_at,user_id,event_type,properties\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.IMPORT_FOLDER = tmp_path / "imports"
    return tmp_path / "imports"


def csv_of(count: int) -> bytes:
    lines = [
        f'{row[0]},{row[1]},{row[2]},{row[3]},"{{""country"": ""UA""}}"\n' for row in rows_of(count)
    ]
    return (HEADER + "".join(lines)).encode()


def post(
    client: Client, body: bytes, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    answer = client.post(
        f"/imports{query}", body, content_type="application/octet-stream", headers=headers
    )
    return answer.status_code, answer.json()


def shown(client: Client, href: str) -> dict[str, Any]:
    answer = client.get(href)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_uploaded_file_is_imported_and_gone(client: Client, folder: Path, compress: Any) -> None:
    status, taken = post(client, compress(csv_of(50)), "?name=june.csv")
    assert (status, taken["state"], taken["name"]) == (202, "waiting", "june.csv")
    assert shown(client, taken["href"])["state"] == "waiting"
    uploads.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["read"], done["stored"]) == ("done", 50, 50)
    assert (done["bad"], done["rejected"], done["error"]) == (0, None, "")
    assert done["position"] == done["size"] == taken["size"]
    assert counts() == (50, 50, 50)
    assert list(folder.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_imports_it_by_itself(client: Client, tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_FOLDER = tmp_path / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPORT_FOLDER", str(settings.IMPORT_FOLDER))
        with worker():
            _, taken = post(client, csv_of(2000))
            wait_until(lambda: shown(client, taken["href"])["state"] == "done", seconds=60)
    assert counts() == (2000, 2000, 2000)


def test_rejected_rows_can_be_fetched_mended_and_uploaded_again(client: Client) -> None:
    good = csv_of(3)
    _, taken = post(client, good + b"no-uuid,2026-01-01T00:00:00Z,u1,click,{}\n")
    uploads.import_waiting()
    done = shown(client, taken["href"])
    assert (done["stored"], done["bad"]) == (3, 1)
    answer = client.get(done["rejected"])
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    head, row = text.splitlines()
    assert head == "line,reason,event_id,occurred_at,user_id,event_type,properties"
    assert row == "5,event_id is not a UUID,no-uuid,2026-01-01T00:00:00Z,u1,click,{}"
    mended = text.replace("no-uuid", "0191f5a0-0000-7000-8000-000000000001")
    _, taken = post(client, mended.encode())
    uploads.import_waiting()
    assert shown(client, taken["href"])["stored"] == 1


def test_the_export_of_another_tool_is_read_by_its_preset(client: Client) -> None:
    event = {
        "event": "Signed up",
        "properties": {"time": 1767225600, "distinct_id": "u1", "$insert_id": "a", "plan": 3},
    }
    _, taken = post(client, json.dumps(event).encode(), "?preset=mixpanel")
    uploads.import_waiting()
    assert shown(client, taken["href"])["stored"] == 1
    [found] = client.get(
        "/stats/top-events?from=2026-01-01&to=2026-01-01&segment=properties.plan:3"
    ).json()
    assert found == {"event_type": "Signed up", "count": 1}


@pytest.mark.parametrize(
    ("body", "query", "status", "said"),
    [
        (b"id,time\n1,2\n", "?name=a.csv", 400, "a.csv: the header has no event_id"),
        (gzip.compress(HEADER.encode())[:10] + b"x" * 99, "", 400, "damaged"),
        (gzip.compress(HEADER.encode())[:-9], "", 400, "cut short"),
        (HEADER.encode(), "?preset=segment", 400, "preset 'segment' is none of"),
        (HEADER.encode(), "?map=user=id", 400, "'user' is no field of an event"),
        (HEADER.encode(), "?colour=red", 400, "'colour' is no parameter"),
        (HEADER.encode(), "?max_errors=many", 400, "max-errors 'many'"),
    ],
)
def test_what_cannot_be_imported_is_refused_at_once_and_leaves_nothing(
    client: Client, folder: Path, body: bytes, query: str, status: int, said: str
) -> None:
    answered, problem = post(client, body, query)
    assert answered == status
    assert said in problem["detail"]
    assert not Import.objects.exists()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_an_empty_body_is_refused(client: Client) -> None:
    answer = client.generic("POST", "/imports", b"", headers={"Content-Length": "0"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body is empty."


def test_too_large_a_file_and_a_form_are_refused(client: Client, settings: Any) -> None:
    settings.IMPORT_MAX_MEGABYTES = 1
    assert post(client, b"x" * (1024 * 1024 + 1))[0] == 413
    answer = client.post("/imports", {"file": io.BytesIO(b"a,b")})
    assert answer.status_code == 415


def test_where_a_file_cannot_be_kept_it_is_507(client: Client, settings: Any) -> None:
    settings.IMPORT_FOLDER = Path("/dev/full/imports")
    status, problem = post(client, csv_of(1))
    assert status == 507
    assert "Not a directory" in problem["detail"]
    assert not Import.objects.exists()


# --- Idempotency-Key ----------------------------------------------------------------------------

KEY = {"Idempotency-Key": "june-2026"}


def test_the_same_request_again_answers_as_the_first_time_and_is_imported_once(
    client: Client,
) -> None:
    body = csv_of(20)
    first = post(client, body, "?name=a.csv", **KEY)
    assert post(client, body, "?name=a.csv", **KEY) == first
    uploads.import_waiting()
    assert post(client, body, "?name=a.csv", **KEY) == first
    assert Import.objects.count() == 1


@pytest.mark.parametrize("query", ["", "?rest=ignore"])
def test_another_payload_under_the_same_key_is_422(client: Client, query: str) -> None:
    body = csv_of(20)
    assert post(client, body, **KEY)[0] == 202
    other = body if query else body.replace(b"UA", b"DE")
    status, problem = post(client, other, query, **KEY)
    assert status == 422
    assert "another file or other arguments" in problem["detail"]
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
    uploads.receive(stream=stream, size=size, name="", given={}, key="june-2026")
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
    uploads.import_waiting()
    assert Import.objects.get().state == Import.State.DONE
    assert counts() == (5, 5, 5)
    assert list(folder.iterdir()) == []


def test_a_file_that_kills_its_workers_is_given_up(client: Client, folder: Path) -> None:
    _, taken = post(client, csv_of(5))
    Import.objects.update(state="running", attempts=uploads.MAX_ATTEMPTS)
    uploads.import_waiting()
    failed = shown(client, taken["href"])
    assert failed["state"] == "failed"
    assert "given up" in failed["error"]
    assert list(folder.iterdir()) == []


def test_an_import_that_another_took_over_meanwhile_is_left_to_him(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5))

    def taken_over(*_: Any) -> None:
        raise InProgress("another process is at it")

    with monkeypatch.context() as patch:
        patch.setattr("importer.run.Storer.store", taken_over)
        uploads.import_waiting()
    assert shown(client, taken["href"])["state"] == "running"
    uploads.import_waiting()
    assert shown(client, taken["href"])["stored"] == 5


def test_where_rejected_rows_have_no_room_an_upload_waits(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, taken = post(client, csv_of(5) + b"bad\n")
    (rejected,) = [folder / f"{taken['id']}.rejected.csv"]
    rejected.mkdir()
    monkeypatch.setattr("importer.rejects.Path.replace", lambda *_: None)
    uploads.import_waiting()
    assert shown(client, taken["href"])["state"] == "stopped"
    assert "cannot be written" in shown(client, taken["href"])["error"]
    rejected.rmdir()
    uploads.import_waiting()
    assert shown(client, taken["href"])["state"] == "done"


def test_what_is_rejected_past_all_bounds_ends_an_upload(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "REJECTED_BYTES", 1000)
    monkeypatch.setattr("importer.batches.BATCH_ROWS", 1000)
    _, taken = post(client, HEADER.encode() + b"x\n" * 3000)
    uploads.import_waiting()
    failed = shown(client, taken["href"])
    assert (failed["state"], failed["read"]) == ("failed", 1000)
    assert "rejected rows take more than" in failed["error"]


def test_a_disk_with_little_room_takes_no_file(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "KEPT_FREE_BYTES", 2**60)
    status, problem = post(client, csv_of(5))
    assert status == 507
    assert "too little room" in problem["detail"]


def test_a_parameter_with_nul_is_refused(client: Client) -> None:
    for query in ("?name=%00", "?set=properties.x=%00"):
        assert post(client, csv_of(1), query)[0] == 400


def test_a_body_cut_short_leaves_nothing_and_its_key_free(folder: Path) -> None:
    body = csv_of(5)
    with pytest.raises(uploads.CutShort):
        _receive(io.BytesIO(body[:-10]), len(body))
    assert not Import.objects.exists()
    assert list(folder.iterdir()) == []
    _receive(io.BytesIO(body), len(body))
    assert Import.objects.get().fingerprint == hashlib.sha256(body).hexdigest()


# --- After a crash ------------------------------------------------------------------------------


def test_an_upload_whose_worker_was_killed_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.batches.BATCH_ROWS", 1000)
    _, taken = post(client, csv_of(3500))

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("importer.run._recorded", _unrecorded)
        patch.setattr("importer.run.Storer.store", _stores(2, die))
        with pytest.raises(Killed):
            uploads.import_waiting()
    assert shown(client, taken["href"])["read"] == 2000
    assert shown(client, taken["href"])["state"] == "running"
    uploads.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["read"], done["stored"], done["duplicates"]) == (
        *("done", 3500, 3500, 0),
    )
    assert counts() == (3500, 3500, 3500)


def _stores(batches: int, then: Any) -> Any:
    from importer.store import Storer  # noqa: PLC0415

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
    workers = [threading.Thread(target=_work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert set(Import.objects.values_list("state", "read", "stored")) == {("done", 1500, 1500)}
    deliver_all()
    assert counts() == (4500, 4500, 4500)


def _work() -> None:
    uploads.import_waiting()
    connections.close_all()


def test_an_upload_whose_file_is_gone_fails_with_a_reason(client: Client, folder: Path) -> None:
    _, taken = post(client, csv_of(3), "?name=a.csv")
    next(folder.iterdir()).unlink()
    uploads.import_waiting()
    failed = shown(client, taken["href"])
    assert failed["state"] == "failed"
    assert failed["error"] == "a.csv cannot be read: No such file or directory"


def test_old_uploads_and_what_never_came_whole_are_forgotten(
    client: Client, folder: Path, settings: Any
) -> None:
    _, taken = post(client, csv_of(3) + b"bad\n")
    uploads.import_waiting()
    Import.objects.create(key="0" * 32, upload=True, state="receiving")
    later = datetime.now(UTC) + timedelta(days=settings.IMPORT_DAYS - 1)
    assert len(list(folder.iterdir())) == 1
    assert uploads.purge(now=later) == 1
    assert uploads.purge(now=later + timedelta(days=2)) == 1
    assert client.get(taken["href"]).status_code == 404
    assert list(folder.iterdir()) == []


def test_imports_of_the_command_line_are_not_shown_to_clients(client: Client) -> None:
    row = Import.objects.create(key="1" * 64, path="/home/someone/private.csv")
    assert client.get(f"/imports/{row.pk}").status_code == 404
    assert client.get(f"/imports/{row.pk}/rejected").status_code == 404
