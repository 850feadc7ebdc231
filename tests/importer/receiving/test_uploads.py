"""`POST /imports`: a file by HTTP, imported once by a worker, its progress to be asked for."""

import errno
import gzip
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from importer.models import Import
from importer.receiving import upload_jobs, uploads
from tests.events.queueing.workers import worker
from tests.importer.receiving.uploading import HEADER, csv_of, post, shown
from tests.stored import counts
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores", "folder")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_uploaded_file_is_imported_and_gone(client: Client, folder: Path, compress: Any) -> None:
    status, taken = post(client, compress(csv_of(50)), "?name=june.csv")
    assert (status, taken["state"], taken["name"]) == (202, "waiting", "june.csv")
    assert shown(client, taken["href"])["state"] == "waiting"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert upload_jobs.import_waiting()
    done = shown(client, taken["href"])
    assert (done["state"], done["read"], done["stored"]) == ("done", 50, 50)
    assert (done["bad"], done["rejected"], done["error"]) == (0, None, "")
    assert done["position"] == done["size"] == taken["size"]
    assert counts() == (50, 50, 50)
    assert list(folder.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_imports_it_by_itself(client: Client, tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_FOLDER = tmp_path / "new" / "shared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPORT_FOLDER", str(settings.IMPORT_FOLDER))
        with worker():
            _, taken = post(client, csv_of(2000))
            wait_until(lambda: shown(client, taken["href"])["state"] == "done", seconds=60)
    assert counts() == (2000, 2000, 2000)


def test_rejected_rows_can_be_fetched_mended_and_uploaded_again(client: Client) -> None:
    good = csv_of(3)
    _, taken = post(client, good + b"no-uuid,2026-01-01T00:00:00Z,u1,click,{}\n")
    upload_jobs.import_waiting()
    done = shown(client, taken["href"])
    assert (done["stored"], done["bad"]) == (3, 1)
    answer = client.get(done["rejected"])
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    head, row = text.splitlines()
    assert head == "line,reason,event_id,occurred_at,user_id,event_type,properties"
    assert row == "5,event_id is not a UUID,no-uuid,2026-01-01T00:00:00Z,u1,click,{}"
    mended = text.replace("no-uuid", "0191f5a0-0000-7000-8000-000000000001")
    _, taken = post(client, mended.encode())
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["stored"] == 1


def test_the_export_of_another_tool_is_read_by_its_preset(client: Client) -> None:
    event = {
        "event": "Signed up",
        "properties": {"time": 1767225600, "distinct_id": "u1", "$insert_id": "a", "plan": 3},
    }
    _, taken = post(client, json.dumps(event).encode(), "?preset=mixpanel")
    upload_jobs.import_waiting()
    assert shown(client, taken["href"])["stored"] == 1
    [found] = client.get(
        "/stats/top-events?from=2026-01-01&to=2026-01-01&segment=properties.plan:3"
    ).json()
    assert found == {"event_type": "Signed up", "count": 1}


@pytest.mark.parametrize(
    ("body", "query", "status", "said"),
    [
        (b"id,time\n1,2\n", "?name=a.csv", 400, "a.csv: the header has no event_id"),
        (gzip.compress(HEADER.encode(), mtime=0)[:10] + b"x" * 99, "", 400, "damaged"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-9], "", 400, "incomplete"),
        (HEADER.encode(), "?preset=segment", 400, "preset 'segment' is unknown"),
        (HEADER.encode(), "?map=user=id", 400, "'user' is not a field of an event"),
        (HEADER.encode(), "?colour=red", 400, "Unknown parameter 'colour'"),
        (HEADER.encode(), "?max_errors=many", 400, "max_errors must be a number of rows"),
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


def test_a_file_is_on_the_disk_before_its_client_hears_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = list[int](), os.fsync

    def noted(file: int) -> None:
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr("importer.receiving.uploads.os.fsync", noted)
    body = csv_of(5)
    assert post(client, body)[0] == 202
    assert synced == [len(body)]


def test_a_disk_that_is_full_before_the_file_is_on_it_keeps_nothing(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("importer.receiving.uploads.os.fsync", full)
    status, problem = post(client, csv_of(5))
    assert status == 507
    assert "No space left on device" in problem["detail"]
    assert (Import.objects.count(), list(folder.iterdir())) == (0, [])


def test_a_parquet_file_is_checked_at_once_unless_its_footer_is_large(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    body = (tmp_path / "a.parquet").read_bytes()
    assert post(client, body)[0] == 400
    monkeypatch.setattr(uploads, "_CHECKED_FOOTER_BYTES", 10)
    assert post(client, body)[0] == 202
    assert post(client, b"id,time\n1,2\n")[0] == 400


def test_an_empty_body_is_refused(client: Client) -> None:
    answer = client.generic("POST", "/imports", b"", headers={"Content-Length": "0"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body is empty."


def test_too_large_a_file_and_a_form_are_refused(client: Client, settings: Any) -> None:
    settings.IMPORT_MAX_MEGABYTES = 1
    assert post(client, b"x" * (1024 * 1024 + 1))[0] == 413
    uploads.require_room(1024 * 1024)
    answer = client.post("/imports", {"file": io.BytesIO(b"a,b")})
    assert answer.status_code == 415


def test_where_a_file_cannot_be_kept_it_is_507(client: Client, settings: Any) -> None:
    settings.IMPORT_FOLDER = Path("/dev/full/imports")
    status, problem = post(client, csv_of(1))
    assert status == 507
    assert "Not a directory" in problem["detail"]
    assert not Import.objects.exists()


def test_a_disk_with_little_room_takes_no_file(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "KEPT_FREE_BYTES", 2**60)
    status, problem = post(client, csv_of(5))
    assert status == 507
    assert "too little free space" in problem["detail"]


def test_what_is_left_of_the_disk_is_counted_behind_the_file(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = csv_of(5)
    for free, expected in ((len(body) - 1, 507), (len(body), 202)):
        usage = SimpleNamespace(free=uploads.KEPT_FREE_BYTES + free)
        monkeypatch.setattr(
            "importer.receiving.uploads.shutil.disk_usage", lambda _, usage=usage: usage
        )
        assert post(client, body)[0] == expected


def test_a_parameter_with_nul_is_refused(client: Client) -> None:
    for query in ("?name=%00", "?set=properties.x=%00"):
        assert post(client, csv_of(1), query)[0] == 400


def test_imports_of_the_command_line_are_not_shown_to_clients(client: Client) -> None:
    row = Import.objects.create(key="1" * 64, path="/home/someone/private.csv")
    assert client.get(f"/imports/{row.pk}").status_code == 404
    assert client.get(f"/imports/{row.pk}/rejected").status_code == 404
