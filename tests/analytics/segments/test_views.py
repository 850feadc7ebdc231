"""`/segments` and the admin's page: saved segments listed, made, changed and deleted."""

import uuid
from html import unescape
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from analytics.models import SavedSegment
from projects.models import Project
from tests import clickhouse as engine
from tests.factories import SavedSegmentFactory
from tests.projects.made_keys import bearer, secret
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

PAGE = "/admin/analytics/savedsegment/"
TEXT = "segment=in(properties.plan):pro,team"


def gone(*_: object, **__: object) -> None:
    raise OperationalError("gone")


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post("/segments", body, content_type="application/json", headers=headers)


def put(client: Client, pk: int, body: Any, query: str = "", **headers: str) -> Any:
    url = f"/segments/{pk}{query}"
    return client.put(url, body, content_type="application/json", headers=headers)


def test_a_segment_is_saved_listed_used_and_deleted(client: Client) -> None:
    sent = [event(user_id=plan, properties={"plan": plan}) for plan in ("pro", "team", "free")]
    for one in sent:
        one["occurred_at"] = "2025-01-06T10:00:00Z"
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    answer = post(client, {"name": "paying users", "text": TEXT})
    assert answer.status_code == 201
    assert client.get("/segments").json() == [answer.json()]
    assert answer.json() == {
        "id": SavedSegment.objects.get().pk,
        "name": "paying users",
        "text": TEXT,
        "saved_by": "",
        "saved_at": answer.json()["saved_at"],
    }
    dau = "/stats/dau?from=2025-01-06&to=2025-01-06&segment=saved(paying%20users)"
    assert client.get(dau).json() == [{"date": "2025-01-06", "unique_users": 2}]
    assert client.delete(f"/segments/{answer.json()['id']}").status_code == 204
    assert client.get("/segments").json() == []
    gone = client.get(dau)
    assert (gone.status_code, gone.json()["errors"]) == (
        400,
        [
            {
                "parameter": "segment",
                "message": "segment 1: there is no saved segment 'paying users'",
            }
        ],
    )


def test_a_saved_segment_is_changed(client: Client) -> None:
    made = SavedSegmentFactory.create(name="mine", text="segment=user_id:a", saved_by="olena")
    answer = put(client, made.pk, {"name": "ours", "text": TEXT})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["name"], shown["text"]) == (made.pk, "ours", TEXT)
    assert shown["saved_by"] == ""
    assert client.get("/segments").json() == [shown]
    assert put(client, made.pk, {"name": "ours", "text": TEXT}).status_code == 200


@pytest.mark.parametrize(
    ("name", "text", "status", "complaint"),
    [
        ("used", "segment=a:b", 400, "text: segment 1: the field must be"),
        ("used", "segment=saved(user)", 400, "in a circle"),
        ("used", "segment=saved(nobody's)", 400, "there is no saved segment"),
        ("used", "segment=match(user_id):(", 400, "the pattern can't be used"),
        ("renamed", TEXT, 409, "It can't be renamed: it is used by user; change these first."),
        ("user", TEXT, 409, "The project has a segment of this name."),
        ("a\nb", TEXT, 400, "no control characters"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    client: Client, name: str, text: str, status: int, complaint: str
) -> None:
    used = SavedSegmentFactory.create(name="used", text="segment=user_id:a")
    SavedSegmentFactory.create(name="user", text="segment=saved(used)")
    answer = put(client, used.pk, {"name": name, "text": text})
    assert answer.status_code == status
    assert complaint in answer.json()["detail"]
    used.refresh_from_db()
    assert (used.name, used.text) == ("used", "segment=user_id:a")


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({"name": "a"}, 400, "must be an object with name and text"),
        ({"name": "a", "text": TEXT, "more": 1}, 400, "must be an object with name and text"),
        ([], 400, "must be an object with name and text"),
        ("null", 400, "must be an object with name and text"),
        ({"name": 1, "text": TEXT}, 400, "must be strings"),
        ({"name": "a\0", "text": TEXT}, 400, "no control characters"),
        ({"name": "\ud800", "text": TEXT}, 400, "no control characters"),
        ({"name": "", "text": TEXT}, 400, "name: This field cannot be blank."),
        ({"name": "a", "text": ""}, 400, "text: This field cannot be blank."),
        ({"name": "a", "text": "segment=user_id:\ud800"}, 400, "lone surrogate"),
        ({"name": "a", "text": "segment=a:b"}, 400, "text: segment 1: the field must be"),
        ({"name": "taken", "text": TEXT}, 409, "The project has a segment of this name."),
        ("{", 400, "JSON parse error"),
    ],
)
def test_what_can_not_be_saved_is_refused(
    client: Client, body: Any, status: int, complaint: str
) -> None:
    SavedSegmentFactory.create(name="taken")
    answer = post(client, body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert complaint in answer.json()["detail"]
    assert SavedSegment.objects.count() == 1


def test_one_that_others_name_is_not_deleted(client: Client) -> None:
    used = SavedSegmentFactory.create(name="used")
    SavedSegmentFactory.create(name="user", text="or.1=saved(used)&or.1=user_id:a")
    answer = client.delete(f"/segments/{used.pk}")
    assert answer.status_code == 409
    assert "it is used by user; change these first" in answer.json()["detail"]
    assert client.delete("/segments/999999").status_code == 404


def test_each_project_has_its_own(client: Client) -> None:
    other = Project.objects.create(id=2, slug="other", name="Other")
    ours, theirs = SavedSegmentFactory.create(), SavedSegmentFactory.create(project=other)
    assert [it["id"] for it in client.get("/segments").json()] == [ours.pk]
    assert [it["id"] for it in client.get("/segments?project=other").json()] == [theirs.pk]
    body = {"name": "a", "text": TEXT}
    assert put(client, theirs.pk, body).status_code == 404
    assert put(client, theirs.pk, body, "?project=other").status_code == 200
    assert client.delete(f"/segments/{theirs.pk}").status_code == 404
    assert client.delete(f"/segments/{theirs.pk}?project=other").status_code == 204


def test_a_key_reads_them_and_changes_none(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    row = SavedSegmentFactory.create()
    reads, sends = bearer(secret("read")), bearer(secret("ingest"))
    assert client.get("/segments", headers=reads).status_code == 200
    assert client.get("/segments", headers=sends).status_code == 403
    assert client.get("/segments").status_code == 401
    refused = post(client, {"name": "a", "text": TEXT}, **reads)
    assert refused.status_code == 403
    assert "logged in as editor" in refused.json()["detail"]
    assert put(client, row.pk, {"name": "a", "text": TEXT}, **reads).status_code == 403
    assert client.delete(f"/segments/{row.pk}", headers=reads).status_code == 403


def test_a_page_of_another_site_saves_none(client: Client) -> None:
    answer = post(client, {"name": "a", "text": TEXT}, Origin="https://elsewhere.example")
    assert answer.status_code == 403
    assert not SavedSegment.objects.exists()


def test_without_postgresql_only_saved_segments_are_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = "/stats/dau?from=2025-01-06&to=2025-01-06&segment="
    SavedSegmentFactory.create(name="mine")
    assert client.get(f"{days}saved(mine)").status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", gone)
        answer = client.get(f"{days}saved(mine)")
        assert (answer.status_code, client.get("/segments").status_code) == (503, 503)
    assert "PostgreSQL" in answer.json()["detail"]
    assert client.get(f"{days}user_id:a").status_code == 200


@pytest.mark.parametrize("url", ["/segments", "/stats/dau?from=2025-01-06&to=2025-01-06&segment="])
def test_a_fault_of_the_service_is_not_taken_for_a_store_that_is_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(SavedSegment._meta, "db_table", "nowhere")
    with pytest.raises(ProgrammingError):
        client.get(f"{url}saved(mine)" if url.endswith("=") else url)


# --- the admin


def saved_in_admin(client: Client, path: str = "add/", **changes: str) -> str:
    form = {"project": "1", "name": "mine", "text": TEXT, **changes}
    answer = client.post(f"{PAGE}{path}", form, follow=True)
    return unescape(answer.content.decode())


def test_a_segment_is_made_and_changed_in_the_admin(admin_client: Client) -> None:
    saved_in_admin(admin_client)
    row = SavedSegment.objects.get()
    assert (row.project_id, row.name, row.text, row.saved_by) == (1, "mine", TEXT, "admin")
    saved_in_admin(admin_client, f"{row.pk}/change/", name="ours", text="segment=user_id:a")
    row.refresh_from_db()
    assert (row.name, row.text) == ("ours", "segment=user_id:a")
    assert "ours" in admin_client.get(PAGE).content.decode()


def test_the_admin_refuses_what_the_api_refuses(admin_client: Client) -> None:
    used = SavedSegmentFactory.create(name="used")
    user = SavedSegmentFactory.create(name="user", text="segment=saved(used)")
    wrong = saved_in_admin(admin_client, text="segment=gt(user_id):x")
    assert "segment 1: gt(…) needs a number such as 42 or -1.5e3 (at character 13)" in wrong
    assert "segment of this name" in saved_in_admin(admin_client, name="used")
    change = f"{used.pk}/change/"
    assert "used by user" in saved_in_admin(admin_client, change, name="renamed")
    assert "in a circle" in saved_in_admin(
        admin_client, change, name="used", text="segment=saved(user)"
    )
    delete = admin_client.get(f"{PAGE}{used.pk}/delete/").content.decode()
    assert "user, which names used" in delete
    admin_client.post(f"{PAGE}{used.pk}/delete/", {"post": "yes"})
    assert SavedSegment.objects.count() == 2
    both = {"action": "delete_selected", "_selected_action": [used.pk, user.pk], "post": "yes"}
    admin_client.post(PAGE, both)
    assert not SavedSegment.objects.exists()
