"""What people see where no view can answer: a page in words, and not a problem document."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client

from projects.models import Project
from tests.dashboard.read import links, text
from tests.projects.made_people import browser, member, person
from tests.projects.test_keyring import postgresql_down

pytestmark = pytest.mark.usefixtures("stores")


def is_page(answer: Any) -> bool:
    return str(answer["Content-Type"]).startswith("text/html")


def redis_down(settings: Any) -> None:
    settings.CACHES = {
        alias: {**cache, "LOCATION": ["redis://127.0.0.1:1/0"]}
        for alias, cache in settings.CACHES.items()
    }


def test_without_postgresql_nobody_is_logged_out_and_is_told_so(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    them = browser(member("viewer", Project.objects.get()))
    with postgresql_down():
        answer = them.post("/logout")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert is_page(answer)
    assert "you are still logged in" in text(answer.content.decode())
    assert "style-src 'self';" in answer["Content-Security-Policy"]
    assert them.get("/dashboard/").status_code == 200
    assert them.post("/logout").status_code == 302


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/login"), ("get", "/admin/"), ("post", "/admin/events/batch/"), ("get", "/docs")],
)
def test_without_postgresql_every_page_says_so_in_words(
    method: str, path: str, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = True
    them = browser(person(is_superuser=True, is_staff=True))
    with postgresql_down():
        answer = them.generic(method.upper(), path)
    if answer.status_code != 200:
        assert (answer.status_code, is_page(answer)) == (503, True)
        assert "PostgreSQL can't be reached" in text(answer.content.decode())


def test_a_session_that_can_not_be_saved_after_the_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.API_KEYS_REQUIRED = True
    them = browser(member("admin", Project.objects.get()))

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(SessionStore, "save", fail)
    answer = them.post("/dashboard/settings", {"action": "set_zone", "time_zone": "UTC"})
    assert (answer.status_code, is_page(answer)) == (503, True)


def test_a_form_sent_after_the_session_ended_in_another_tab_is_told(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    them = browser(member("admin", Project.objects.get()))
    answer = ended_while(them, them.session.delete)
    assert (answer.status_code, is_page(answer)) == (400, True)
    assert "logged out meanwhile" in text(answer.content.decode())


def ended_while(client: Client, end: Callable[[], None]) -> HttpResponse:
    add, patch = messages.success, pytest.MonkeyPatch()
    with patch.context() as patched:

        def added(*given: Any) -> None:
            add(*given)
            end()

        patched.setattr(messages, "success", added)
        given = {"action": "set_zone", "time_zone": "UTC"}
        answer: HttpResponse = client.post("/dashboard/settings", given)  # type: ignore[assignment]
    return answer


@pytest.mark.parametrize(
    ("path", "is_panel"),
    [
        ("/dashboard/trends?range=7d", False),
        ("/dashboard/nowhere", False),
        ("/dashboard/overview/panels/types?range=7d", True),
        ("/dashboard/saved/views/1/panel?range=7d", True),
        ("/dashboard/overview/panels/nothing", False),
    ],
)
def test_over_the_rate_limit_a_page_and_a_panel_say_so(
    client: Client, settings: Any, path: str, is_panel: bool
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    client.get(path)
    answer = client.get(path)
    assert (answer.status_code, is_page(answer)) == (429, True)
    assert int(answer["Retry-After"]) > 0
    assert "RateLimit" in answer
    html = answer.content.decode()
    assert "More than 1 requests a minute" in text(html)
    assert html.startswith('<section class="panel') == is_panel
    assert "unsafe" not in answer["Content-Security-Policy"]
    if is_panel:
        assert f'data-hx-get="{path}"' in html
    else:
        assert path in links(html)


def test_over_the_rate_limit_the_api_gets_a_problem(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    client.get("/projects")
    answer = client.get("/projects")
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")


def test_while_redis_is_down_a_page_says_so(client: Client, settings: Any) -> None:
    redis_down(settings)
    answer = client.get("/dashboard/")
    assert (answer.status_code, answer["Retry-After"], is_page(answer)) == (503, "5", True)
    assert "Redis can't be reached" in text(answer.content.decode())


def test_a_form_without_its_token_is_told_in_words(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/login", {"username": "vera", "password": "x"})
    assert answer.status_code == 403
    assert "Load the page again" in text(answer.content.decode())
    assert "/login" in links(answer.content.decode())
