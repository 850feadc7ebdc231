"""People with a session: whose project a request is about, and what forged requests get."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from embedded import ports
from events.lifecycle import deleting
from importer.models import Import
from projects.models import DEFAULT, Membership, Project
from projects.scopes import OF_ROLE, Role
from tests import web_server
from tests.posting import post
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import FOREIGN, TOKEN, browser, member, misled_browser, person
from tests.projects.made_projects import project
from tests.projects.test_keyring import postgresql_down
from tests.samples import event

pytestmark = pytest.mark.usefixtures("stores", "keys_required")


@pytest.fixture
def keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


@pytest.fixture
def other() -> Iterator[Project]:
    with project("other") as made:
        yield made


@pytest.fixture
def default() -> Project:
    return Project.objects.get(pk=DEFAULT)


def users(client: Client, query: str = "") -> set[str]:
    """Whose events the client sees."""
    answer = client.get(f"/events{query}")
    assert answer.status_code == 200, answer.content
    return {one["user_id"] for one in answer.json()["events"]}


def fill(*projects: Project) -> None:
    for one in projects:
        key = bearer(secret("ingest", project=one))
        sent = post(Client(), [event(user_id=str(one))], "?wait=true", **key)
        assert sent.status_code == 200


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return str(answer.json()["detail"])


# --- Whose project


def test_an_admin_sends_events_that_a_viewer_sees(app: Project) -> None:
    sent = post(browser(member("admin", app)), [event(user_id="u1")], "?wait=true")
    assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
    assert users(browser(member("viewer", app))) == {"u1"}


def test_the_address_names_one_of_several(app: Project, other: Project) -> None:
    fill(app, other)
    client = browser(member("viewer", app, other))
    assert users(client, "?project=app") == {"app"}
    assert users(client, "?project=other") == {"other"}
    said = refused(client.get("/events"), 400)
    assert said.startswith("Wrong query parameters: project: is missing")
    assert "GET /projects" in said


def test_a_member_of_the_default_project_means_that_one(default: Project, app: Project) -> None:
    fill(default, app)
    client = browser(member("viewer", app, default))
    assert users(client) == {"default"}
    assert users(client, "?project=app") == {"app"}


def test_who_is_a_member_of_none_is_told_so() -> None:
    assert "a member of no project" in refused(browser(person()).get("/events"), 404)


@pytest.mark.parametrize("slug", ["other", "default", "none", "", "%00", "1", "App"])
def test_a_project_of_others_is_as_unknown_as_none(app: Project, other: Project, slug: str) -> None:
    client = browser(member("admin", app))
    answers = [
        client.get(f"/events?project={slug}"),
        client.get(f"/stats/retention?start_date=2026-01-01&project={slug}"),
        client.get(f"/projects?project={slug}"),
        post(client, [event()], f"?project={slug}"),
        client.post(f"/imports?project={slug}", b"x", "text/plain"),
    ]
    assert {refused(answer, 404) for answer in answers} == {"There is no such project."}


def test_a_person_lists_their_own_projects_with_the_role(app: Project, other: Project) -> None:
    client = browser(member("editor", app))
    shown = {"slug": "app", "name": "App", "role": "editor"}
    assert client.get("/projects").json() == client.get("/projects?project=app").json() == [shown]
    assert browser(person()).get("/projects").json() == []


def test_the_staff_looks_everywhere_and_a_superuser_is_an_admin_everywhere(
    app: Project, other: Project
) -> None:
    fill(other)
    staff = browser(member("editor", app, is_staff=True))
    roles = {row["slug"]: row["role"] for row in staff.get("/projects").json()}
    assert roles == {"default": "viewer", "app": "editor", "other": "viewer"}
    assert users(staff) == set()
    assert users(staff, "?project=other") == {"other"}
    superuser = browser(member("viewer", app, is_superuser=True))
    assert {row["role"] for row in superuser.get("/projects").json()} == {"admin"}
    assert post(superuser, [event()], "?project=other").status_code == 202


def test_a_key_counts_and_not_the_session(app: Project, other: Project) -> None:
    fill(app, other)
    admin = member("admin", app)
    client = browser(admin, **bearer(secret("read", project=other)))
    assert users(client) == {"other"}
    assert refused(client.get("/events?project=app"), 404)
    assert "the scope 'ingest'" in refused(post(client, [event()]), 403)
    assert [row["slug"] for row in client.get("/projects").json()] == ["other"]
    # Nor is the session a way around a wrong key.
    assert refused(browser(admin, **bearer("wrong")).get("/events"), 401)


def test_a_key_needs_no_token_whoever_is_logged_in(app: Project) -> None:
    client = misled_browser(member("viewer", app))
    sent = post(client, [event()], **bearer(secret("ingest", project=app)))
    assert sent.status_code == 202


# --- While the session lives


def test_a_change_of_the_role_counts_from_the_next_request_on(app: Project) -> None:
    user = member("viewer", app)
    client = browser(user)
    assert "the role 'admin'" in refused(post(client, [event()]), 403)
    Membership.objects.update(role="admin")
    assert post(client, [event()]).status_code == 202
    Membership.objects.update(role="editor")
    assert post(client, [event()]).status_code == 403
    Membership.objects.all().delete()
    assert client.get("/events?project=app").status_code == 404


@pytest.mark.parametrize("change", ["deleted", "inactive", "other password", "logged out"])
def test_who_may_come_no_more_is_nobody_at_once(app: Project, change: str) -> None:
    user = member("admin", app)
    client = browser(user)
    assert client.get("/events").status_code == 200
    if change == "deleted":
        User.objects.get(pk=user.pk).delete()
        assert not Membership.objects.exists()
    elif change == "inactive":
        User.objects.update(is_active=False)
    elif change == "other password":
        user.set_password("another password")
        user.save()
    else:
        cookie = client.cookies["sessionid"].value
        client.logout()
        client.cookies["sessionid"] = cookie
    for answer in (client.get("/events"), client.get("/projects"), post(client, [event()])):
        assert "Send an API key" in refused(answer, 401)


def test_an_inactive_person_is_nobody_whatever_the_backend_says(
    app: Project, settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.AllowAllUsersModelBackend",
    ]
    client = browser(member("admin", app))
    assert client.get("/events").status_code == 200
    User.objects.update(is_active=False)
    assert "Send an API key" in refused(client.get("/events"), 401)


def test_a_project_that_is_deleted_is_gone_for_its_members_at_once(app: Project) -> None:
    client, staff = browser(member("admin", app)), browser(person(is_staff=True))
    deleting.begin(app, by="a test")
    for one in (client, staff):
        assert refused(one.get("/events?project=app"), 404) == "There is no such project."
    assert client.get("/projects").json() == []
    assert "a member of no project" in refused(client.get("/events"), 404)
    deleting.finish()
    assert not Membership.objects.exists()


@pytest.mark.parametrize("cookie", ["", "nonsense", "a" * 32, '"a session\\000"', "é" * 40])
def test_a_cookie_that_is_no_session_is_nobody(client: Client, cookie: str) -> None:
    answer = client.get("/events", headers={"Cookie": f"sessionid={cookie}"})
    assert "Send an API key" in refused(answer, 401)


# --- Roles


def test_a_role_that_there_is_not_is_not_stored(app: Project) -> None:
    with pytest.raises(IntegrityError, match="memberships_role"):
        member("owner", app)


def test_a_role_of_another_version_of_the_service_is_none(app: Project) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memberships DROP CONSTRAINT memberships_role")
        try:
            client = browser(member("owner", app))
            assert client.get("/events?project=app").status_code == 404
            assert client.get("/projects").json() == []
        finally:
            Membership.objects.all().delete()
            cursor.execute(
                "ALTER TABLE memberships ADD CONSTRAINT memberships_role"
                " CHECK (role IN ('viewer', 'editor', 'admin'))"
            )


def test_a_person_has_one_role_in_a_project(app: Project) -> None:
    user = member("viewer", app)
    with pytest.raises(IntegrityError, match="memberships_one"):
        Membership.objects.create(user=user, project=app, role="admin")


# --- Forged requests


def test_a_page_of_another_site_can_not_send_in_the_name_of_a_person(app: Project) -> None:
    client = misled_browser(member("admin", app))
    assert "Origin checking failed" in refused(post(client, [event()]), 403)
    assert "Origin checking failed" in refused(client.post("/imports", b"x", "text/plain"), 403)
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-CSRFToken": ""}, "CSRF token"),
        ({"X-CSRFToken": "b" * 32}, "CSRF token"),
        ({"X-CSRFToken": "b" * 32, "Origin": "http://testserver"}, "CSRF token"),
        ({"Origin": FOREIGN}, "Origin checking failed"),
        ({"Origin": "null"}, "Origin checking failed"),
    ],
)
def test_a_request_with_a_session_needs_the_token(
    app: Project, headers: dict[str, str], said: str
) -> None:
    client = browser(member("admin", app), **headers)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.generic(method, "/events", b"[]", "application/json")
        assert said in refused(answer, 403)
    assert client.get("/events").status_code == 200


def test_without_the_cookie_of_the_token_nothing_is_taken(app: Project) -> None:
    client = browser(member("admin", app))
    del client.cookies["csrftoken"]
    said = refused(post(client, [event()]), 403)
    assert said.startswith("CSRF cookie not set.")
    assert "X-CSRFToken" in said


def test_a_file_is_not_searched_for_the_token(app: Project) -> None:
    """A form is what curl calls each body that it is not told about."""
    client, form = browser(member("admin", app)), "application/x-www-form-urlencoded"
    line = json.dumps(event()).encode()
    sent = client.post("/imports", line, form)
    assert (sent.status_code, sent.json()["size"]) == (202, len(line))
    unmarked = browser(member("admin", app), **{"X-CSRFToken": ""})
    token = b"csrfmiddlewaretoken=" + b"a" * 32
    assert unmarked.post("/imports", token, form).status_code == 403


def test_through_the_web_server_a_person_sends_events_and_a_file(app: Project) -> None:
    session = browser(member("admin", app)).cookies["sessionid"].value
    cookies = {"Cookie": f"sessionid={session}; csrftoken={TOKEN}"}
    line = json.dumps(event()).encode()
    with web_server.running(API_KEYS_REQUIRED="true") as web:
        for path, form, body in (
            ("/events", "application/json", b"[" + line + b"]"),
            ("/imports", "application/x-www-form-urlencoded", line),
        ):
            said = []
            for headers in (cookies, {**cookies, "X-CSRFToken": TOKEN}):
                connection = HTTPConnection(ports.HOST, web.port, timeout=60)
                connection.request("POST", path, body, {"Content-Type": form, **headers})
                said.append(connection.getresponse().status)
                connection.close()
            assert said == [403, 202], path
    assert Import.objects.get().size == len(line)


# --- Costs


def queries(client: Client, ask: Any) -> int:
    ask(client)
    with CaptureQueriesContext(connection) as captured:
        assert ask(client).status_code == 202
    return len(captured)


def test_without_a_session_postgresql_is_not_asked(app: Project, settings: Any) -> None:
    def send(client: Client) -> Any:
        return post(client, [event()])

    key = bearer(secret("ingest", project=app))
    assert queries(Client(headers=key), send) == 0
    assert queries(browser(member("admin", app), **key), send) == 0
    assert queries(browser(member("admin", app)), send) == 3  # session, user, projects
    settings.API_KEYS_REQUIRED = False
    assert queries(Client(), send) == queries(browser(person()), send) == 0


def test_only_answers_to_a_session_vary_with_the_cookie(app: Project) -> None:
    key = bearer(secret(project=app))
    assert "Cookie" in browser(member("viewer", app)).get("/events")["Vary"]
    assert "Cookie" not in Client().get("/events", headers=key).get("Vary", "")


def test_without_postgresql_a_person_is_told_to_come_again(app: Project) -> None:
    user, key = member("admin", app), bearer(secret("ingest", project=app))
    client, with_key = browser(user), browser(user, **key)
    assert post(with_key, [event()]).status_code == 202
    with postgresql_down():
        for answer in (client.get("/projects"), client.get("/events"), post(client, [event()])):
            assert "send the request again" in refused(answer, 503)
            assert answer["Retry-After"] == "5"
        assert post(with_key, [event()]).status_code == 202
    assert client.get("/events").status_code == 200


def test_roles_have_what_the_ones_below_have() -> None:
    viewer, editor, admin = (OF_ROLE[role] for role in Role)
    assert viewer < editor < admin
