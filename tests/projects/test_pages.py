"""Views of other packages, as they may be: what they declare is checked, and nothing else opens."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from projects import access
from projects.models import Project
from projects.of_request import project_of
from projects.pages import needs, open_to_all
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import browser, member, misled_browser, person
from tests.projects.made_projects import project

pytestmark = [
    pytest.mark.usefixtures("stores", "keys_required", "these_urls"),
]


@needs(GET=access.READ, POST=access.EDIT)
def saved(request: Any) -> HttpResponse:
    return HttpResponse(str(request.project))


@needs(GET=access.READ, POST=access.ADMIN)
def erasures(request: Any) -> HttpResponse:
    return HttpResponse(str(request.project))


@open_to_all
def front(request: HttpRequest) -> HttpResponse:
    return HttpResponse("all")


def forgotten(request: HttpRequest) -> HttpResponse:
    return HttpResponse("all")


@csrf_exempt
@needs(POST=access.ADMIN)
def exempt(request: Any) -> HttpResponse:
    return HttpResponse("erased")


class Page(View):
    scopes = {"GET": access.EDIT}

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse(str(request.project))

    def delete(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("all")


class ForgottenPage(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("all")


class Settings(APIView):
    scopes = {"GET": access.READ, "PATCH": access.ADMIN}

    def get(self, request: Request) -> Response:
        return Response(project_of(request))

    def patch(self, request: Request) -> Response:
        return Response(project_of(request))

    def put(self, request: Request) -> Response:
        return Response("all")


class ForgottenSettings(APIView):
    def get(self, request: Request) -> Response:
        return Response("all")


class Careless(APIView):
    scopes = {"GET": access.ANY}

    def get(self, request: Request) -> Response:
        return Response(project_of(request))


@needs(GET=access.ANY)
def everyones(request: Any) -> HttpResponse:
    return HttpResponse(str(getattr(request, "project", "none")))


urlpatterns = [
    path("careless", Careless.as_view()),
    path("everyones", everyones),
    path("saved", saved),
    path("exempt", exempt),
    path("erasures", erasures),
    path("front", front),
    path("forgotten", forgotten),
    path("page", Page.as_view()),
    path("forgotten-page", ForgottenPage.as_view()),
    path("settings", Settings.as_view()),
    path("forgotten-settings", ForgottenSettings.as_view()),
    path("administration", forgotten),
]
handler500 = "config.api.problems.server_error"


@pytest.fixture
def these_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = sys.modules[__name__]


@pytest.fixture
def keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


def asked(client: Client, method: str, url: str) -> Any:
    return client.generic(method, url, b"{}", "application/json")


@pytest.mark.parametrize(
    ("method", "url", "least"),
    [
        ("GET", "/saved", "viewer"),
        ("HEAD", "/saved", "viewer"),
        ("POST", "/saved", "editor"),
        ("POST", "/erasures", "admin"),
        ("GET", "/page", "editor"),
        ("GET", "/settings", "viewer"),
        ("PATCH", "/settings", "admin"),
    ],
)
def test_a_view_is_for_those_who_have_the_role(
    app: Project, method: str, url: str, least: str
) -> None:
    roles = ["viewer", "editor", "admin"]
    for role in roles:
        client = browser(member(role, app))
        answer = asked(client, method, f"{url}?project=app")
        may = roles.index(role) >= roles.index(least)
        assert answer.status_code == (200 if may else 403), role
        if may and method != "HEAD":
            assert answer.content == str(app.pk).encode()
        if not may:
            assert f"the role '{least}'" in answer.json()["detail"]
        assert asked(client, method, f"{url}?project=default").status_code == 404


def test_a_key_has_what_its_scopes_say_and_no_more(app: Project) -> None:
    client = Client(headers=bearer(secret(project=app)))
    assert client.get("/saved").content == str(app.pk).encode()
    assert client.get("/saved?project=default").status_code == 404
    for method, url in (("POST", "/erasures"), ("GET", "/page"), ("PATCH", "/settings")):
        assert asked(client, method, url).status_code == 403, url
    assert client.get("/saved?project=none").status_code == 404
    assert client.get("/saved", headers=bearer("wrong")).status_code == 401


def test_who_is_not_logged_in_comes_to_the_login_and_back(client: Client) -> None:
    answer = client.get("/saved?project=app")
    assert (answer.status_code, answer["Location"]) == (
        302,
        "/login?next=/saved%3Fproject%3Dapp",
    )
    assert asked(client, "POST", "/saved").status_code == 401
    assert client.get("/settings").status_code == 401


@pytest.mark.parametrize("required", [True, False])
def test_a_page_of_another_site_sends_nothing(app: Project, required: bool, settings: Any) -> None:
    """Not even to a view that is exempt from the check of all others."""
    settings.API_KEYS_REQUIRED = required
    admin = member("admin", app)
    misled, own = misled_browser(admin), browser(admin)
    for method, url in (
        ("POST", "/saved"),
        ("POST", "/erasures"),
        ("POST", "/exempt"),
        ("PATCH", "/settings"),
    ):
        assert asked(misled, method, f"{url}?project=app").status_code == 403, url
        assert asked(own, method, f"{url}?project=app").status_code == 200, url


@pytest.mark.parametrize(
    "url", ["/forgotten", "/forgotten-page", "/forgotten-settings", "/administration"]
)
@pytest.mark.parametrize("required", [True, False])
def test_a_view_that_declares_nothing_answers_nobody(
    app: Project, url: str, required: bool, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = required
    for client in (browser(person(is_superuser=True)), Client(raise_request_exception=False)):
        answer = client.get(url)
        assert (answer.status_code, answer.json()["status"]) == (500, 500)


def test_a_method_that_is_not_declared_answers_nobody(app: Project) -> None:
    client = browser(person(is_superuser=True))
    answer = asked(client, "DELETE", "/page")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
    assert asked(client, "PUT", "/settings").status_code == 500
    assert asked(client, "DELETE", "/settings").status_code == 405


def test_a_view_for_any_person_has_no_project(app: Project) -> None:
    """Nobody has checked that the person may see it."""
    for query in ("", "?project=app"):
        client = browser(person())
        assert client.get(f"/careless{query}").status_code == 500
        assert client.get(f"/everyones{query}").content == b"none"
    assert Client().get("/everyones").status_code == 302


def test_what_is_open_is_open(client: Client) -> None:
    assert client.get("/front").content == b"all"


# --- Where no key is required


def test_everybody_looks_and_saves_but_only_admins_erase(
    app: Project, client: Client, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = False
    stranger = browser(person())
    for one in (client, stranger, browser(member("viewer", app))):
        assert one.get("/saved?project=app").content == str(app.pk).encode()
        assert one.get("/page?project=app").status_code == 200
    assert asked(stranger, "POST", "/saved?project=app").status_code == 200
    assert asked(stranger, "POST", "/saved?project=none").status_code == 404
    assert asked(client, "POST", "/erasures?project=app").status_code == 401
    assert asked(stranger, "POST", "/erasures?project=app").status_code == 404
    assert asked(browser(member("editor", app)), "POST", "/erasures?project=app").status_code == 403
    assert asked(browser(member("admin", app)), "POST", "/erasures?project=app").status_code == 200


def test_a_page_means_one_project_by_all_its_methods(app: Project, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = False
    client = browser(member("admin", app))
    assert client.get("/erasures").content == b"1"
    assert asked(client, "POST", "/erasures").status_code == 404
    settings.API_KEYS_REQUIRED = True
    for method in ("GET", "POST"):
        assert asked(client, method, "/erasures").content == str(app.pk).encode()
