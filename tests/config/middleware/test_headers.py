"""The headers of answers, whole and in order, whatever middleware a request passes."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.posting import post_some
from tests.projects.made_keys import bearer, secret

pytestmark = pytest.mark.usefixtures("stores")

_LIMITED = [("RateLimit-Policy", '"default";q=1000;w=60'), ("RateLimit", '"default";r=999;t=1')]
_NOTHING = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
# No shared cache may keep it: keys come in headers that caches don't know.
_PRIVATE = ("Cache-Control", "private")
_SAFE = [
    *(("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin")),
    *(("Cross-Origin-Opener-Policy", "same-origin"), ("X-Request-ID", "mine")),
]
_DENY, _ALLOW = ("X-Frame-Options", "DENY"), ("Allow", "GET, POST, HEAD, OPTIONS")
_JSON, _PROBLEM = "application/json", "application/problem+json"


def headers(answer: Any) -> list[tuple[str, str]]:
    """All but the numbers that depend on the moment."""
    return [(n, re.sub(r"r=\d+;t=\d+", "r=999;t=1", value)) for n, value in answer.items()]


def of_the_api(kind: str, length: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    start = [("Content-Type", kind), *more, _DENY, ("Content-Length", str(length))]
    return [*start, *_LIMITED, _PRIVATE, _NOTHING, *_SAFE]


@pytest.fixture
def client() -> Client:
    return Client(headers={"X-Request-ID": "mine"})


def test_an_event_that_is_taken(client: Client) -> None:
    answer = post_some(client)
    assert headers(answer) == of_the_api(_JSON, len(answer.content), _ALLOW)


def test_a_request_with_a_key_and_one_without(client: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with_key = client.get("/events?limit=x", headers=bearer(secret("read")))
    assert with_key.status_code == 400
    assert headers(with_key) == of_the_api(_PROBLEM, len(with_key.content), _ALLOW)
    without = post_some(client)
    assert without.status_code == 401
    asks = ("WWW-Authenticate", "Bearer")
    assert headers(without) == of_the_api(_PROBLEM, len(without.content), asks, _ALLOW)


def test_a_path_of_the_api_where_there_is_nothing(client: Client) -> None:
    answer = client.get("/events/nothing")
    assert answer.status_code == 404
    assert headers(answer) == of_the_api(_PROBLEM, len(answer.content))


def test_a_person_who_is_logged_in(client: Client, settings: Any) -> None:
    """The answer depends on the cookie, which caches have to know."""
    settings.API_KEYS_REQUIRED = True
    client.force_login(User.objects.create_superuser("somebody"))
    answer = client.get("/events?limit=x")
    assert answer.status_code == 400
    shown = headers(answer)
    assert ("Vary", "Cookie") in shown
    assert [one for one in shown if one[0] != "Vary"] == of_the_api(
        _PROBLEM, len(answer.content), _ALLOW
    )
