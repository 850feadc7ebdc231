"""The top of a page: the projects that the reader may see, and no others."""

from typing import Any

import pytest
from django.test import Client

from tests.dashboard.read import links, text, texts
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import browser, member, person
from tests.projects.made_projects import delete, project

pytestmark = pytest.mark.usefixtures("stores")


def switches(html: str) -> set[str]:
    """The projects to which the page can be switched."""
    return {
        it.partition("project=")[2] for it in links(html) if it.startswith("/dashboard/trends?")
    }


def shown(client: Client, query: str = "range=7d&by=event_type", **headers: str) -> str:
    answer = client.get(f"/dashboard/trends?{query}", headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_without_keys_every_project_can_be_chosen_but_a_deleted_one(client: Client) -> None:
    assert "switch" not in shown(client)
    with project("shop"), project("blog") as blog:
        assert {"default", "shop", "blog"} <= switches(shown(client))
        assert "/dashboard/trends?range=7d&project=shop" in links(shown(client))
        delete(blog)
        assert "blog" not in switches(shown(client))


def test_each_reader_may_choose_among_their_own(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with project("shop") as shop, project("blog") as blog, project("secret-one"):
        of_two = shown(browser(member("viewer", shop, blog)), "project=blog")
        assert switches(of_two) - {""} == {"shop", "blog"}
        assert "Secret-One" not in of_two
        of_one = shown(browser(member("viewer", shop)))
        assert "switch" not in of_one
        assert "Shop" in text(of_one)
        assert "/admin/" not in links(of_one)
        assert "/admin/" in links(shown(browser(person(is_staff=True)), "project=shop"))
        with_key = shown(Client(), **bearer(secret("read", project=shop)))
        assert "Blog" not in with_key
        assert "secret-one" in switches(shown(browser(person(is_staff=True)), "project=shop"))


@pytest.mark.parametrize("path", ["", "trends", "people", "saved", "settings", "health", "nowhere"])
def test_who_is_logged_in_is_told_so_where_no_key_is_required(client: Client, path: str) -> None:
    with project("shop") as shop:
        own, one = browser(member("viewer", shop, username="ann")), browser(person(username="bob"))
        for reader, name in ((own, "ann"), (one, "bob")):
            html = reader.get(f"/dashboard/{path}?project=shop").content.decode()
            assert texts(html, '<span class="person"', "span") == [name]
            assert "Log out" in html
        assert "Log out" not in client.get(f"/dashboard/{path}?project=shop").content.decode()
        with_key = own.get(f"/dashboard/{path}", headers=bearer(secret("read", project=shop)))
        assert "Log out" not in with_key.content.decode()
