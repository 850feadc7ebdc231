"""Which project a request is about."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from projects.authentication import Unchecked
from projects.keyring import KeysUnknown, keyring
from projects.models import DEFAULT

NONE = "There is no such project."
A = TypeVar("A")
T = TypeVar("T")


def project_of(request: Request | HttpRequest) -> int:
    """The number of the project of the request's key or member, or the one that `?project=` names.

    Without any of them it is the default project. Raises NotFound if there is no such project. If
    it is not the key's, the answer is the same, so a key can't find out which projects there are.
    Raises Unchecked if PostgreSQL can't say now.
    """
    who, slug = cast(Any, request).auth, request.GET.get("project")
    if who is not None:
        if slug in (None, who.slug):
            return int(who.project)
        raise NotFound(NONE)
    if settings.API_KEYS_REQUIRED:
        # A person, of whom it was not checked what they are in the project.
        raise ImproperlyConfigured("a view for any person must not ask for the project")
    return DEFAULT if slug is None else _known(keyring.find_project, slug)


def zone_of(project: int) -> str:
    """The time zone of a project. Raises NotFound, and Unchecked if PostgreSQL can't say now."""
    return _known(keyring.find_zone, project)


def _known(find: Callable[[A], T | None], about: A) -> T:
    try:
        found = find(about)
    except KeysUnknown:
        raise Unchecked from None
    if found is None:
        raise NotFound(NONE)
    return found
