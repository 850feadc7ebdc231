"""The settings of a project: who may change what, and what each form does."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client

from config.memory.room import NoRoom
from dashboard.screens import welcome
from events.auditing import rezoning
from projects import members
from projects.models import ApiKey, Membership, Project
from tests.dashboard.read import links, panel, text, texts
from tests.dashboard.test_welcome import NAMES
from tests.projects.made_keys import bearer, made, secret
from tests.projects.made_people import browser, member, person
from tests.projects.made_projects import project
from tests.projects.test_keyring import postgresql_down

pytestmark = pytest.mark.usefixtures("stores")
PATH = "/dashboard/settings?project=app"


@pytest.fixture(autouse=True)
def _keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


@pytest.fixture
def ada(app: Project) -> User:
    return member("admin", app, username="ada", email="ada@example.com")


def shown(client: Client, status: int = 200, path: str = PATH) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    return str(answer.content.decode())


def sent(client: Client, action: str, status: int = 303, path: str = PATH, **given: Any) -> str:
    """The page after a form was sent: that of the answer, or where it leads."""
    answer = client.post(path, {"action": action, **given})
    assert answer.status_code == status, text(answer.content.decode())
    if status == 303:
        return shown(client, path=answer["Location"])
    return str(answer.content.decode())


def told(html: str) -> list[str]:
    return texts(html, '<p class="said"', "p")


def faults(html: str) -> list[str]:
    return texts(html, '<p class="error"', "p")


def test_a_key_is_made_shown_once_and_sends_an_event(app: Project, ada: User) -> None:
    answer = browser(ada).post(PATH, {"action": "make_key", "name": "shop", "scopes": ["ingest"]})
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    html = answer.content.decode()
    [key] = set(re.findall(r"ea_[\w-]{43}", html))
    curl = unescape(re.findall(r"<code>(.*?)</code>", html, re.DOTALL)[0])
    assert f"Bearer {key}" in curl
    body = re.search(r"-d '(.*)'", curl, re.DOTALL)
    assert body
    took = Client().post(
        "/events?wait=true", body[1], content_type="application/json", headers=bearer(key)
    )
    assert took.json()["accepted"] == 1
    page = shown(browser(ada))
    assert key not in page
    assert f"shop {key[:9]}… ingest" in text(page)
    row = ApiKey.objects.get()
    assert (row.project, row.scopes) == (app, ["ingest"])
    assert "Made the API key shop" in LogEntry.objects.get().change_message


def test_the_programs_beside_a_new_key_have_it_also_where_none_is_required(
    settings: Any, app: Project, ada: User
) -> None:
    settings.API_KEYS_REQUIRED = False
    html = sent(browser(ada), "make_key", 200, name="shop", scopes=["ingest"])
    [key] = set(re.findall(r"ea_[\w-]{43}", html))
    programs = [unescape(it) for it in re.findall(r"<pre.*?</pre>", html, re.DOTALL)]
    assert len(programs) == 3
    assert all(f"Bearer {key}" in it and "/events?project" not in it for it in programs)
    assert "Bearer" not in shown(Client())


def test_a_key_that_only_reads_shows_how_to_read(app: Project, ada: User) -> None:
    html = sent(browser(ada), "make_key", 200, name="reports", scopes=["read"])
    assert "/events?limit=1" in html
    assert "-d '[{" not in unescape(html)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"name": "", "scopes": ["read"]}, "Name: This field is required."),
        ({"name": " \t", "scopes": ["read"]}, "Name: This field is required."),
        ({"name": "n" * 101, "scopes": ["read"]}, "at most 100 characters"),
        ({"name": "a\0b", "scopes": ["read"]}, "Null characters are not allowed."),
        ({"name": "shop"}, "Scopes: This field is required."),
        ({"name": "shop", "scopes": ["admin"]}, "admin is not one of the available choices"),
    ],
)
def test_what_is_wrong_with_a_key_is_told_and_what_was_typed_is_kept(
    app: Project, ada: User, given: dict[str, Any], fault: str
) -> None:
    html = sent(browser(ada), "make_key", 400, **given)
    assert fault in faults(html)[0]
    if given["name"] == "shop":
        assert 'value="shop"' in html
    assert not ApiKey.objects.exists()


def test_a_form_that_is_sent_twice_makes_one_key(
    app: Project, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"name": "shop", "scopes": ["read", "ingest"]}
    sent(browser(ada), "make_key", 200, **given)
    html = sent(browser(ada), "make_key", 400, **given)
    assert "A key of this name is there." in faults(html)[0]
    assert html.count("checked") == 2
    # Both at once: the check of the names has not seen the other.
    monkeypatch.setattr(ApiKey, "full_clean", lambda self: None)
    assert "A key of this name is there." in sent(browser(ada), "make_key", 400, **given)
    assert ApiKey.objects.count() == 1


def test_a_key_is_revoked_in_one_of_two_tabs(app: Project, ada: User) -> None:
    row, _ = made(project=app, name="old")
    html = sent(browser(ada), "revoke_key", row=row.pk)
    assert "The key old is revoked." in told(html)[0]
    assert "1 revoked key is not shown" in text(html)
    assert told(shown(browser(ada))) == []
    assert told(sent(browser(ada), "revoke_key", row=row.pk)) == ["The key old was revoked before."]
    assert LogEntry.objects.count() == 1


def test_a_member_is_added_by_name_or_address_gets_a_role_and_goes(app: Project, ada: User) -> None:
    vera = person(username="vera", email="vera@example.com")
    us = browser(ada)
    assert told(sent(us, "add_member", who="vera", role="viewer")) == [
        "vera is a viewer of the project now."
    ]
    row = Membership.objects.get(user=vera)
    html = sent(us, "set_role", row=row.pk, role="editor")
    assert told(html) == ["vera is an editor of the project now."]
    assert browser(vera).get(PATH).status_code == 200
    html = sent(us, "remove_member", row=row.pk)
    assert told(html) == ["vera is no member of the project any more."]
    assert browser(vera).get(PATH).status_code == 404
    sent(us, "add_member", who="VERA@example.com", role="admin")
    assert Membership.objects.get(user=vera).role == "admin"
    said = [it.change_message for it in LogEntry.objects.order_by("pk")]
    assert [it.split()[2] for it in said] == ["a", "an", "no", "an"]


def test_who_can_not_be_a_member_is_told_why(app: Project, ada: User) -> None:
    for name in ("twin", "other twin"):
        person(username=name, email="twin@example.com")
    person(username="gone", email="gone@example.com", is_active=False)
    said = set()
    for who, why in [
        ("nobody", "no active user with this name"),
        ("nobody@example.com", "no active user with this name"),
        ("twin@example.com", "no active user with this name"),
        ("gone", "no active user with this name"),
        ("gone@example.com", "no active user with this name"),
        ("ada", "already a member"),
        ("", "This field is required"),
    ]:
        html = sent(browser(ada), "add_member", 400, who=who, role="viewer")
        assert why in faults(html)[0]
        assert f'value="{who}"' in html
        said.add(faults(html)[0])
    # Nobody learns who else uses the service.
    assert len(said) == 3
    assert "not one of the available" in sent(
        browser(ada), "add_member", 400, who="twin", role="owner"
    )
    assert Membership.objects.count() == 1


def test_the_last_admin_stays(app: Project, ada: User) -> None:
    row = Membership.objects.get(user=ada)
    gone = member("admin", app, username="gone", is_active=False)
    for action, given in (("remove_member", {}), ("set_role", {"role": "viewer"})):
        html = sent(browser(ada), action, 400, row=row.pk, **given)
        assert faults(html) == [
            "The project would have no admin. Make somebody else an admin first."
        ]
    assert '<option value="viewer" selected' in html
    another = member("admin", app, username="bob")
    sent(browser(another), "remove_member", row=row.pk)
    assert {it.user for it in members.listed(app.pk)} == {another, gone}
    # A superuser needs no membership to be an admin.
    sent(browser(person(is_superuser=True)), "remove_member", row=another.membership_set.get().pk)


def test_rows_of_another_project_are_nobodys(app: Project, ada: User) -> None:
    with project("other") as other:
        key = made(project=other)[0]
        theirs = Membership.objects.get(user=member("admin", other))
        for action, row in (
            *(("revoke_key", it) for it in (key.pk, 0, 10**17, -1, "x", "\0", "9" * 30, "\u0661")),
            *(("remove_member", it) for it in (theirs.pk, 0, "")),
        ):
            html = sent(browser(ada), action, 404, row=row)
            assert "There is no such" in html
        sent(browser(ada), "set_role", 404, row=theirs.pk, role="viewer")
        key.refresh_from_db()
        theirs.refresh_from_db()
        assert (key.revoked_at, theirs.role) == (None, "admin")
        path = "/dashboard/settings?project=other"
        assert browser(ada).post(path, {"action": "make_key"}).status_code == 404


def test_the_time_zone_is_changed_by_the_service_of_the_admin(
    app: Project, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(rezoning, "finish_soon", lambda: asked.append("soon"))
    html = sent(browser(ada), "set_zone", time_zone="Asia/Kathmandu")
    assert told(html) == ["The days of all reports are those of Asia/Kathmandu now."]
    assert "The tables of these days are being made" in text(html)
    assert asked == ["soon"]
    app.refresh_from_db()
    assert (app.time_zone, app.rollup_zone) == ("Asia/Kathmandu", "UTC")
    assert "already" in told(sent(browser(ada), "set_zone", time_zone="Asia/Kathmandu"))[0]
    html = sent(browser(ada), "set_zone", 400, time_zone="Mars/Olympus")
    assert "is no time zone" in faults(html)[0]
    assert 'value="Mars/Olympus"' in html
    assert asked == ["soon"]


def test_limits_are_told_with_what_is_used(app: Project, ada: User) -> None:
    path = "settings/panels/limits?project=app"
    assert "No limit." in text(panel(browser(ada), path))
    Project.objects.filter(pk=app.pk).update(
        rate_limit_per_minute=6000, events_per_month=1000, history_days=400
    )
    html = panel(browser(ada), path)
    assert "6,000 a minute from all clients" in text(html)
    assert "0 of 1,000 used (0 %)" in text(html)
    assert "for 400 days. Events are kept from" in text(html)
    Project.objects.filter(pk=app.pk).update(history_days=1095)
    assert "for 1,095 days." in text(panel(browser(ada), path))
    assert "/admin/" not in html
    staff = browser(person(is_staff=True))
    assert f"/admin/projects/project/{app.pk}/change/" in links(panel(staff, path))


@pytest.mark.parametrize("who", ["viewer", "editor", "a key", "staff"])
def test_who_may_not_change_anything_sees_it_without_forms(
    app: Project, ada: User, who: str
) -> None:
    made(project=app, name="shop")
    clients = {
        "a key": lambda: Client(headers=bearer(secret("read", project=app))),
        "staff": lambda: browser(person(is_staff=True)),
    }
    client = clients.get(who, lambda: browser(member(who, app)))()
    html = shown(client)
    assert "shop" in html
    assert "UTC" in html
    # Names of people are for people of the project.
    assert ("ada" in html) == (who != "a key")
    assert "ada@example.com" not in html
    assert "ada@example.com" in shown(browser(ada))
    forms = [it for it in re.findall(r'<form[^>]*action="([^"]*)"', html) if it != "/logout"]
    assert forms == []
    assert client.post(PATH, {"action": "first_key"}).status_code == 403
    assert ApiKey.objects.filter(name="First key").count() == 0


def test_where_no_key_is_required_the_admins_change_it_and_strangers_are_led_to_the_login(
    app: Project, ada: User, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = False
    html = shown(Client())
    assert "/login?next=%2Fdashboard%2Fsettings%3Fproject%3Dapp" in links(html)
    assert "ada" not in html
    assert Client().post(PATH, {"action": "first_key"})["Location"].startswith("/login")
    html = shown(browser(member("viewer", app)))
    assert "ada" in html
    assert "/login" not in "".join(links(html))
    staff = browser(person(is_staff=True))
    assert "/admin/projects" in panel(staff, "settings/panels/limits?project=app")
    # Of another project: they are somebody, but the members are not shown to them.
    with project("other") as other:
        html = shown(browser(member("admin", other)))
    assert "ada" not in html
    assert "/login" not in "".join(links(html))
    html = sent(browser(ada), "make_key", 200, name="shop", scopes=["read"])
    assert "ea_" in html


def test_a_form_of_another_site_or_of_nothing_changes_nothing(app: Project, ada: User) -> None:
    us = browser(ada)
    assert "does not say what to change" in text(sent(us, "explode", 400))
    del us.cookies["csrftoken"]
    answer = us.post(PATH, {"action": "first_key"})
    assert answer.status_code == 403
    assert "Load the page again" in text(answer.content.decode())
    assert "Content-Security-Policy" in answer
    assert not ApiKey.objects.exists()


def test_any_name_is_shown_as_text(app: Project, ada: User) -> None:
    for name in NAMES:
        short = name[:100].strip()
        html = sent(browser(ada), "make_key", 200, name=short, scopes=["read"])
        assert short in text(html)
        user = person(username=name[:150].strip())
        page = sent(browser(ada), "add_member", who=user.username, role="viewer")
        assert f"{user.username} is a viewer" in text(page)
        assert "<script>alert" not in html + page
        assert "<svg onload" not in html + page
    page = text(shown(browser(ada)))
    for name in NAMES:
        assert name[:100].strip() in page


def test_the_first_visit_makes_a_key_and_shows_it_in_the_programs(app: Project, ada: User) -> None:
    html = panel(browser(ada), "overview/panels/headline?project=app")
    assert 'name="action" value="first_key"' in html
    assert "YOUR_KEY" in html
    answer = browser(ada).post(PATH, {"action": "first_key"})
    made = answer.content.decode()
    [key] = set(re.findall(r"ea_[\w-]{43}", made))
    assert made.count(f"Bearer {key}") == 3
    assert "YOUR_KEY" not in made
    assert "Waiting for the first event" in text(made)
    assert answer["Cache-Control"] == "no-store"
    # A form that is sent again makes another one: nobody may have seen the first.
    sent(browser(ada), "first_key", 200)
    assert {it.name for it in ApiKey.objects.all()} == {"First key", "First key 2"}


def test_nothing_keeps_the_secret_of_a_key_that_is_made_from_being_shown(
    app: Project, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **given: Any) -> None:
        raise NoRoom

    monkeypatch.setattr(welcome, "newest", full)
    assert "ea_" in sent(browser(ada), "first_key", 200)
    monkeypatch.setattr(LogEntry.objects, "log_actions", no_history)
    assert "ea_" in sent(browser(ada), "first_key", 200)
    assert "ea_" in sent(browser(ada), "make_key", 200, name="shop", scopes=["read"])


def no_history(*args: Any, **given: Any) -> None:
    raise IntegrityError("the user of the entry is gone")


def test_what_can_not_be_noted_is_not_changed(
    app: Project, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, vera = made(project=app)[0], member("viewer", app)
    person(username="bob")
    monkeypatch.setattr(LogEntry.objects, "log_actions", no_history)
    row = vera.membership_set.get().pk
    asked: list[tuple[str, dict[str, Any]]] = [
        ("revoke_key", {"row": key.pk}),
        ("add_member", {"who": "bob", "role": "viewer"}),
        ("set_role", {"row": row, "role": "editor"}),
        ("remove_member", {"row": row}),
        ("set_zone", {"time_zone": "Asia/Kathmandu"}),
    ]
    for action, given in asked:
        answer = browser(ada).post(PATH, {"action": action, **given})
        assert answer.status_code == 500, action
    key.refresh_from_db()
    app.refresh_from_db()
    assert (key.revoked_at, app.time_zone) == (None, "UTC")
    assert sorted(Membership.objects.values_list("user__username", "role")) == sorted(
        [("ada", "admin"), (vera.username, "viewer")]
    )


def test_a_project_that_is_being_deleted_gets_no_member(app: Project) -> None:
    person(username="bob")
    Project.objects.filter(pk=app.pk).update(deleted_at="2026-01-01T00:00:00Z")
    with pytest.raises(members.Refused, match="no such project"):
        members.add(app, "bob", "viewer")


def test_every_time_zone_is_offered_and_utc_first(app: Project, ada: User) -> None:
    zones = re.findall(r'<option value="([^"]*)">', shown(browser(ada)).partition("datalist")[2])
    assert zones[0] == "UTC"
    assert "Europe/Kyiv" in zones


def test_without_postgresql_a_change_is_told_to_have_failed(app: Project, ada: User) -> None:
    us = browser(ada)
    with postgresql_down():
        answer = us.post(PATH, {"action": "first_key"})
    assert answer.status_code == 503
    assert answer["Content-Type"].startswith("text/html")
