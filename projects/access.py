"""Whether a request may do what it asks for: `decide` answers that for every view.

A view declares `scopes`: the scope that each HTTP method needs. `HasScope` looks there for the
views of DRF, and `projects.pages` for plain views. A view that declares nothing answers 500, so
that no view is open by mistake.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.middleware import cors
from projects import people
from projects.authentication import presented
from projects.keyring import Key, keyring
from projects.people import Member
from projects.scopes import ADMIN, ANY, EDIT, INGEST, OF_EVERYBODY, READ, least_role

__all__ = [
    "ADMIN",
    "ANY",
    "EDIT",
    "INGEST",
    "READ",
    "HasScope",
    "decide",
    "may",
    "member_who_asks",
    "person_who_asks",
]


def lacking(scope: str) -> str:
    """What a key without the scope is told. Some scopes are of people alone."""
    if scope in (READ, INGEST):
        return f"This request needs an API key with the scope {scope!r}."
    return f"No API key may do this: it needs a person who is logged in as {least_role(scope)}."


_SAFE = ("GET", "HEAD", "OPTIONS")


def decide(request: HttpRequest, needed: str) -> Key | Member | None:
    """Who asks: a key, or a person in a project. None if it does not matter who asks.

    The key in the headers counts, or else the session. Raises what DRF answers: 401 if nobody asks,
    403 without the scope or with a forged request, 404 for a project of others, 503 if PostgreSQL
    can't say now.
    """
    key = presented(request)
    if key is not None:
        keyring.note_use(key)
        if needed != ANY and needed not in key.scopes:
            raise PermissionDenied(lacking(needed))
        return key
    if not settings.API_KEYS_REQUIRED and needed in OF_EVERYBODY:
        # Nobody loses a right because they are logged in: their session is not looked at.
        if request.method not in _SAFE and cors.is_foreign(request):
            raise PermissionDenied("A page of another site may not post without an API key.")
        return None
    return _member(request, needed)


def may(request: HttpRequest, needed: str) -> bool:
    """Whether whoever asks could do this too. For pages, which offer only what can be done."""
    try:
        decide(request, needed)
    except APIException:
        return False
    return True


def _member(request: HttpRequest, needed: str) -> Member | None:
    person = people.person_of(request)
    if person is None:
        raise NotAuthenticated("Send an API key: Authorization: Bearer ea_…, or X-API-Key.")
    people.check_csrf(request)
    if needed == ANY:
        return None
    member = people.member_of(request, person)
    if needed not in member.scopes:
        raise PermissionDenied(f"This request needs the role {least_role(needed)!r}.")
    return member


def member_who_asks(request: HttpRequest) -> Member | None:
    """The person in this project who asks, also where no key is required. None without one.

    Such a request may do what everybody may, so `decide` has not looked at its session.
    """
    if presented(request) is not None:
        return None
    try:
        person = people.person_of(request)
        return people.member_of(request, person) if person else None
    except APIException:
        return None


def person_who_asks(request: Request) -> User | None:
    """The person for whom a view with the scope ANY answers.

    None for a key, and where no key is required: everybody gets the same answer there.
    """
    if request.auth is not None or not settings.API_KEYS_REQUIRED:
        return None
    return people.person_of(request._request)


class HasScope(BasePermission):
    """Checks a view of DRF. Sets `request.auth` to the key or the member."""

    def has_permission(self, request: Request, view: Any) -> bool:
        request.auth = decide(request._request, _needed(view, str(request.method)))
        return True


def _needed(view: Any, method: str) -> str:
    """The scope for this method. Any will do for OPTIONS, and for a method that gets 405."""
    name = "get" if method == "HEAD" else method.lower()
    is_answered = name in view.http_method_names and hasattr(view, name)
    if method == "OPTIONS" or not is_answered:
        return ANY
    return str(view.scopes[name.upper()])
