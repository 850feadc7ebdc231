"""People who are logged in, as browsers send their requests."""

from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from projects.models import Membership, Project

_numbers = count()
TOKEN = "a" * 32
FOREIGN = "https://stranger.example"


def person(**fields: Any) -> User:
    return User.objects.create(**{"username": f"person {next(_numbers)}", **fields})


def member(role: str, *projects: Project, **fields: Any) -> User:
    """A person with this role in each of the projects."""
    made = person(**fields)
    for project in projects:
        Membership.objects.create(user=made, project=project, role=role)
    return made


def browser(user: User, **headers: str) -> Client:
    """The browser of the person, which sends the token against forged requests."""
    client = _browser(user, **{"X-CSRFToken": TOKEN, **headers})
    client.cookies[settings.CSRF_COOKIE_NAME] = TOKEN
    return client


def misled_browser(user: User) -> Client:
    """The browser of the person on a page of another site, which makes it send requests."""
    client = _browser(user, Origin=FOREIGN)
    client.cookies[settings.CSRF_COOKIE_NAME] = TOKEN
    return client


def _browser(user: User, **headers: str) -> Client:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False, headers=headers)
    client.force_login(user)
    return client
