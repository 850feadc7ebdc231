"""The admin page of imports."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from events.models import Batch, HotEvent
from importer.models import Import
from importer.receiving import upload_jobs, uploads
from tests.factories import AdminFactory, ImportFactory
from tests.pages import page

pytestmark = pytest.mark.usefixtures("stores")

IMPORTS = "/admin/importer/import/"


def test_imports_are_listed_newest_first_with_their_counts(admin_client: Client) -> None:
    ImportFactory.create(path="/data/older.csv")
    ImportFactory.create(path="/data/newer.csv", size=5 * 1024 * 1024, read=49_123)
    html = page(admin_client, IMPORTS)
    assert html.index("/data/newer.csv") < html.index("/data/older.csv")
    assert "49123" in html
    assert "5.0\xa0MB" in html


def test_an_import_is_found_by_a_part_of_its_path_and_by_its_state(admin_client: Client) -> None:
    ImportFactory.create(path="/data/good.csv")
    ImportFactory.create(path="/data/wrong.csv", state="failed", error="the header has no user_id")
    for parameters in ({"q": "wrong"}, {"state__exact": "failed"}):
        html = page(admin_client, IMPORTS, **parameters)
        assert "/data/wrong.csv" in html
        assert "the header has no user_id" in html
        assert "/data/good.csv" not in html


def test_imports_are_drilled_down_to_by_date(admin_client: Client) -> None:
    row = ImportFactory.create(path="/data/today.csv")
    row.refresh_from_db()
    assert "/data/today.csv" in page(admin_client, IMPORTS, started_at=f"{row.started_at:%Y-%m-%d}")
    assert "/data/today.csv" not in page(admin_client, IMPORTS, started_at="2001-01")


def test_an_import_cannot_be_changed(admin_client: Client) -> None:
    url = f"{IMPORTS}{ImportFactory.create().pk}/change/"
    assert 'name="_save"' not in page(admin_client, url)
    assert admin_client.post(url, {"state": "done"}).status_code == 403


def test_a_file_is_uploaded_and_imported(
    admin_client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_FOLDER = tmp_path
    text = "uuid,at,who,what,Country\n0191f5a0-0000-7000-8000-000000000001,1767225600,u1,buy,UA\n"
    form = {
        "project": "1",
        "file": SimpleUploadedFile("june.csv", text.encode()),
        "map": "event_id=uuid\noccurred_at=at\nuser_id=who\nevent_type=what",
        "time": "s",
        "rest": "properties",
    }
    assert "JSON lines" in page(admin_client, f"{IMPORTS}add/")
    answer = admin_client.post(f"{IMPORTS}add/", form, follow=True)
    assert "Received june.csv. A worker will import it." in answer.content.decode()
    upload_jobs.import_waiting()
    row = Import.objects.get()
    assert (row.state, row.stored) == ("done", 1)
    assert HotEvent.objects.count() + Batch.objects.get().stored == 1
    assert "100 %" in page(admin_client, IMPORTS)


@pytest.mark.parametrize(("written", "stands"), [("\\t", "\t"), ("\t", "\t"), ("#", "#")])
def test_the_form_takes_a_delimiter(
    admin_client: Client, tmp_path: Path, settings: Any, written: str, stands: str
) -> None:
    settings.IMPORT_FOLDER = tmp_path
    row = ["0191f5a0-0000-7000-8000-000000000001", "2026-01-06T12:00:00Z", "u1", "buy,now"]
    lines = [["event_id", "occurred_at", "user_id", "event_type"], row]
    text = "".join(stands.join(line) + "\n" for line in lines)
    form = {
        "project": "1",
        "file": SimpleUploadedFile("june.csv", text.encode()),
        "delimiter": written,
    }
    admin_client.post(f"{IMPORTS}add/", form)
    upload_jobs.import_waiting()
    assert Import.objects.get().stored == 1


def test_a_file_that_cannot_be_imported_is_refused_in_the_form(
    admin_client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_FOLDER = tmp_path
    form = {"project": "1", "file": SimpleUploadedFile("june.csv", b"id,time\n"), "map": "nonsense"}
    answer = admin_client.post(f"{IMPORTS}add/", form)
    assert "&#x27;nonsense&#x27; must have the form target=value" in answer.content.decode()
    form = {"project": "1", "file": SimpleUploadedFile("june.csv", b"id,time\n"), "map": ""}
    answer = admin_client.post(f"{IMPORTS}add/", form)
    assert "june.csv: the header has no event_id" in answer.content.decode()
    assert not Import.objects.exists()


class _Unread:
    """A body that nobody is to read."""

    def __init__(self) -> None:
        self.was_read = False

    def read(self, *_: Any) -> bytes:
        self.was_read = True
        return b""

    readline = read


def _sent(client: Client, size: int = 1_000) -> tuple[int, bool]:
    """The answer to a form of this size, and whether it was read."""
    body = _Unread()
    # Django's client sets these for a body that it is given.
    environ: Any = {"wsgi.input": body, "CONTENT_LENGTH": str(size)}
    environ["CONTENT_TYPE"] = "multipart/form-data; boundary=x"
    answer = client.generic("POST", f"{IMPORTS}add/", **environ)
    return answer.status_code, body.was_read


def test_a_file_is_not_read_before_it_is_known_who_sends_it() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32
    client.cookies["sessionid"] = "made-up"
    assert _sent(client) == (302, False)
    client.force_login(AdminFactory.create(is_superuser=False))
    assert _sent(client) == (403, False)
    client.force_login(AdminFactory.create())
    # The token that a page of another site would not know is looked for in the form.
    assert _sent(client) == (403, True)


def test_a_file_that_there_is_no_room_for_is_not_read(admin_client: Client, settings: Any) -> None:
    settings.IMPORT_MAX_MEGABYTES = 1
    assert _sent(admin_client, size=2_000_000) == (302, False)
    assert "Not accepted: the file has more than 1 MB." in page(admin_client, f"{IMPORTS}add/")


def test_a_file_that_the_disk_has_no_room_for_is_not_read(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "KEPT_FREE_BYTES", 2**60)
    assert _sent(admin_client) == (302, False)
    assert "the disk has too little free space" in page(admin_client, f"{IMPORTS}add/")


def test_only_who_may_add_imports_can_upload(client: Client) -> None:
    client.force_login(AdminFactory.create(is_superuser=False))
    assert client.get(f"{IMPORTS}add/").status_code == 403
