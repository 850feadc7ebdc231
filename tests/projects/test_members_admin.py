"""The admin pages of members: who is made one, changed and removed, and what is told of it."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from events.lifecycle import deleting
from projects.models import DEFAULT, Membership, Project
from tests.factories import AdminFactory
from tests.pages import page
from tests.projects.made_people import browser, member, person
from tests.projects.made_projects import project

MEMBERS = "/admin/projects/membership/"
PROJECT = f"/admin/projects/project/{DEFAULT}/change/"
pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def default() -> Project:
    return Project.objects.get(pk=DEFAULT)


def add(client: Client, **fields: Any) -> Any:
    return client.post(f"{MEMBERS}add/", {"project": DEFAULT, "role": "viewer", **fields})


def told(row: Any) -> list[str]:
    """What the history of a row says, the oldest first."""
    entries = LogEntry.objects.filter(object_id=row.pk, content_type__model=row._meta.model_name)
    return [entry.get_change_message() for entry in entries.order_by("pk")]


def test_a_member_is_made_changed_and_removed(admin_client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    user = person(username="ann")
    client = browser(user)
    assert client.get("/events").status_code == 404
    add(admin_client, user=user.pk)
    assert client.get("/events").status_code == 200
    row = Membership.objects.get()
    html = page(admin_client, MEMBERS)
    assert "ann" in html
    assert "viewer" in html
    admin_client.post(f"{MEMBERS}{row.pk}/change/", {"role": "admin"})
    row.refresh_from_db()
    assert row.role == "admin"
    admin_client.post(f"{MEMBERS}{row.pk}/delete/", {"post": "yes"})
    assert client.get("/events").status_code == 404
    assert told(row) == ["Added.", "Changed Role.", ""]


def test_only_the_role_of_a_member_is_changed(admin_client: Client) -> None:
    with project("app") as app:
        user = member("viewer", app)
        row = Membership.objects.get()
        form = {"user": person().pk, "project": DEFAULT, "role": "editor"}
        admin_client.post(f"{MEMBERS}{row.pk}/change/", form)
        row.refresh_from_db()
        assert (row.user, row.project, row.role) == (user, app, "editor")


def test_members_are_on_the_page_of_their_project(admin_client: Client, default: Project) -> None:
    viewer, editor, new = member("viewer", default), member("editor", default), person()
    first, second = Membership.objects.order_by("pk")
    form = {
        **{"name": "Default", "time_zone": "UTC", "rate_limit_per_minute": ""},
        **{"membership_set-TOTAL_FORMS": 3, "membership_set-INITIAL_FORMS": 2},
        **inline(0, id=first.pk, user=viewer.pk, role="admin"),
        **inline(1, id=second.pk, user=editor.pk, role="editor", DELETE="on"),
        **inline(2, user=new.pk, role="viewer"),
    }
    assert admin_client.post(PROJECT, form).status_code == 302
    assert set(Membership.objects.values_list("user", "role")) == {
        (viewer.pk, "admin"),
        (new.pk, "viewer"),
    }
    [said] = told(default)
    assert f"Added membership “{new}: viewer of default”" in said
    assert f"Changed Role for membership “{viewer}: admin of default”" in said
    assert f"Deleted membership “{editor}: editor of default”" in said


def inline(number: int, **fields: Any) -> dict[str, Any]:
    named = {"project": DEFAULT, **fields}
    return {f"membership_set-{number}-{name}": value for name, value in named.items()}


def test_a_second_role_is_explained(admin_client: Client, default: Project) -> None:
    user = member("viewer", default)
    html = add(admin_client, user=user.pk, role="admin").content.decode()
    assert "This person is already a member of the project." in html
    assert Membership.objects.get().role == "viewer"


@pytest.mark.parametrize("wrong", [{"role": "owner"}, {"role": ""}, {"user": 0}, {"project": 0}])
def test_a_membership_that_makes_no_sense_is_explained(
    admin_client: Client, wrong: dict[str, Any]
) -> None:
    answer = add(admin_client, **{"user": person().pk, **wrong})
    assert "errornote" in answer.content.decode()
    assert not Membership.objects.exists()


def test_a_project_that_is_deleted_is_no_choice(admin_client: Client) -> None:
    with project("app") as app:
        assert ">app<" in page(admin_client, f"{MEMBERS}add/")
        deleting.begin(app, by="a test")
        assert ">app<" not in page(admin_client, f"{MEMBERS}add/")
        answer = add(admin_client, user=person().pk, project=app.pk)
        assert "errornote" in answer.content.decode()


def test_a_person_who_is_deleted_leaves_no_membership(
    admin_client: Client, default: Project
) -> None:
    user = member("viewer", default)
    answer = admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Membership.objects.exists()


def test_only_those_of_the_staff_who_may_make_members(client: Client, default: Project) -> None:
    staff = AdminFactory.create(is_superuser=False)
    client.force_login(staff)
    assert client.get(MEMBERS).status_code == 403
    assert add(client, user=staff.pk, role="admin").status_code == 403
    staff.user_permissions.set(Permission.objects.filter(codename="view_membership"))
    assert client.get(MEMBERS).status_code == 200
    assert add(client, user=staff.pk, role="admin").status_code == 403
    row = Membership.objects.create(user=person(), project=default, role="viewer")
    for action in ("change", "delete"):
        url = f"{MEMBERS}{row.pk}/{action}/"
        assert client.post(url, {"role": "admin", "post": "yes"}).status_code == 403
    assert Membership.objects.get().role == "viewer"


def test_who_may_change_projects_may_not_therefore_make_members(client: Client) -> None:
    staff = AdminFactory.create(is_superuser=False)
    staff.user_permissions.set(Permission.objects.filter(codename="change_project"))
    client.force_login(staff)
    with project("app") as app:
        form = {
            **{"name": "Ours", "time_zone": "UTC", "rate_limit_per_minute": ""},
            **{"membership_set-TOTAL_FORMS": 1, "membership_set-INITIAL_FORMS": 0},
            **inline(0, project=app.pk, user=staff.pk, role="admin"),
        }
        answer = client.post(f"/admin/projects/project/{app.pk}/change/", form)
        assert answer.status_code == 302
        app.refresh_from_db()
        assert app.name == "Ours"
        assert not Membership.objects.exists()
