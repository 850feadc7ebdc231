"""A file is dropped on the page of an empty project, and the reader sees what becomes of it."""

import re
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from importer.receiving import upload_jobs
from tests.dashboard.read import links, panel, text, texts
from tests.factories import ImportFactory
from tests.importer.importing import rows_of
from tests.importer.receiving.uploading import HEADER
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import TOKEN, browser, member, misled_browser
from tests.projects.made_projects import project
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
HEADLINE, PROGRESS = "overview/panels/headline", "import/panels/progress"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> None:
    settings.IMPORT_FOLDER = tmp_path / "imports"


def address(html: str, name: str) -> str:
    """Where the script of the page sends the file, or asks for what becomes of it."""
    [found] = re.findall(f'data-{name}="([^"]*)"', html)
    return str(found).replace("&amp;", "&")


def dropped(client: Client, html: str, body: str, name: str = "events.csv") -> str:
    """The panel that the page asks for after it has sent the file."""
    got = client.post(
        f"{address(html, 'drop')}&name={name}", body.encode(), "application/octet-stream"
    )
    assert got.status_code == 202, got.content
    where = address(html, "progress").removeprefix("/dashboard/")
    return f"{where}&id={got.json()['id']}"


def test_a_file_is_imported_and_leads_to_the_numbers_of_its_days(client: Client) -> None:
    with project("shop"):
        html = panel(client, f"{HEADLINE}?project=shop")
        first, *others = rows_of(3)
        lines = [",".join(row[:4]) for row in (first, *others, first)]
        bad = [",".join([str(uuid4()), "soon<b>", *first[2:4]])]
        path = dropped(client, html, HEADER + "".join(f"{it},{{}}\n" for it in [*lines, *bad]))
        waiting = panel(client, path)
        assert "events.csv has arrived, and waits for its turn." in text(waiting)
        assert 'data-hx-trigger="every 1s"' in waiting
        upload_jobs.import_waiting()
        deliver_all()
        done = panel(client, path)
        assert "hx-trigger" not in done
        assert "3 events stored, 1 was here already, 1 row could not be read." in text(done)
        [[line, reason]] = [
            re.findall(r"<td.*?>(.*?)</td>", it) for it in re.findall(r"<tr>(<td.*?)</tr>", done)
        ]
        assert line == "6"
        assert "occurred_at" in reason
        rejected, numbers = links(done)
        assert "soon<b>" in b"".join(client.get(rejected)).decode()
        assert client.get(numbers).status_code == 200
        shown = panel(client, numbers.replace("/dashboard/", HEADLINE))
        assert texts(shown, "<strong", "strong")[1] == "3"
        assert "1 import" not in done
        # Of another project there is no such import.
        panel(client, path.replace("project=shop", "project=default"), status=404)


def test_a_file_that_is_none_is_told_in_words(client: Client) -> None:
    html = client.get("/dashboard/import").content.decode()
    got = client.post(f"{address(html, 'drop')}&name=a.csv", b"a,b\n1,2\n", "text/csv")
    assert got.status_code == 400
    assert "a.csv" in got.json()["detail"]


def test_what_is_stored_is_waited_for_until_it_is_counted(client: Client) -> None:
    counts = {"stored": 3, "duplicates": 0, "bad": 0}
    row = ImportFactory.create(upload=True, state="done", path="a.csv", **counts)
    html = panel(client, f"{PROGRESS}?id={row.pk}")
    assert "a.csv is imported: 3 events stored. They are being counted" in text(html)
    assert 'data-hx-trigger="every 1s"' in html
    row.state, row.error = "failed", "line 7 is <cut> short"
    row.save()
    html = panel(client, f"{PROGRESS}?id={row.pk}")
    assert "to its end; 3 events of it are stored. line 7 is <cut> short" in text(html)
    assert "hx-trigger" not in html


def test_a_name_and_a_reason_are_shown_as_text(client: Client) -> None:
    html = client.get("/dashboard/import").content.decode()
    row = f"{uuid4()},now,u1,\"<svg onload='x'>\u202e=1+1\",{{}}\n"
    path = dropped(client, html, HEADER + row, name="%3Cimg src=x%3E.csv")
    upload_jobs.import_waiting()
    done = panel(client, path)
    assert "<img" not in done
    assert "<svg" not in done
    assert "<img src=x>.csv is imported: 0 events stored, 1 row could not be read." in text(done)
    assert "hx-trigger" not in done


def test_without_script_the_page_says_how_to_send_a_file(client: Client) -> None:
    for path in ("import?script=no", f"{HEADLINE}?script=no&project=default"):
        html = client.get(f"/dashboard/{path}").content.decode()
        assert "data-drop" not in html
        assert "curl -T events.csv -X POST" in text(html)
        assert 'type="file"' not in html
        assert "http-equiv" not in html
    html = client.get("/dashboard/import?project=default").content.decode()
    [leads] = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', html)
    assert unescape(leads) == "?project=default&script=no"


@pytest.mark.parametrize("pk", ["", "x", "0", "686db67e-6177-49a6-af95-5d84d5daf839", "%00"])
def test_there_is_no_such_import(client: Client, pk: str) -> None:
    html = panel(client, f"{PROGRESS}?id={pk}", status=404)
    assert "There is no such import." in text(html)


def test_only_who_may_send_events_is_asked_for_a_file(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with project("shop") as shop:
        for role in ("viewer", "editor"):
            html = panel(browser(member(role, shop)), f"{HEADLINE}?project=shop")
            assert "data-drop" not in html
            assert "Only admins of the project can import files." in text(html)
        reader = Client(headers=bearer(secret("read", project=shop)))
        assert "data-drop" not in reader.get("/dashboard/import").content.decode()
        user = member("admin", shop)
        them = browser(user)
        html = panel(them, f"{HEADLINE}?project=shop")
        where = f"{address(html, 'drop')}&name=a.csv"
        [token, *_] = re.findall('name="csrfmiddlewaretoken" value="([^"]*)"', html)
        body = (HEADER + ",".join(rows_of(1)[0][:4]) + ",{}\n").encode()
        kind = "application/octet-stream"
        # As the script of the page sends it; a page elsewhere has no token.
        assert them.post(where, body, kind, headers={"X-CSRFToken": token}).status_code == 202
        assert token != TOKEN
        for others in (misled_browser(user), browser(user, **{"X-CSRFToken": ""})):
            assert others.post(where, body, kind).status_code == 403
        assert "Bearer YOUR_KEY" in text(html)


def test_another_tool_can_be_named(client: Client) -> None:
    html = client.get("/dashboard/import").content.decode()
    tools = re.findall(r'<option value="(\w+)">', html)
    assert tools == ["mixpanel", "amplitude", "posthog", "ga4"]
    body = '{"event":"buy","properties":{"distinct_id":"ann","time":1767600000,"$insert_id":"1"}}\n'
    got = client.post(
        f"{address(html, 'drop')}&name=a.ndjson&preset=mixpanel", body.encode(), "x/y"
    )
    assert got.status_code == 202, got.content
    upload_jobs.import_waiting()
    deliver_all()
    assert client.get("/users/ann").json()["events"] == 1
