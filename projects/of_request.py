"""Which project a request is about."""

from collections.abc import Callable
from typing import TypeVar, cast

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from projects.authentication import Unchecked
from projects.keyring import Key, KeysUnknown, keyring
from projects.models import DEFAULT

_NONE = "There is no such project."
A = TypeVar("A")
T = TypeVar("T")


def project_of(request: Request) -> int:
    """The number of the project of the request's key, or of the one that `?project=` names.

    Without both it is the default project. Raises NotFound if there is no such project. If it is
    not the key's, the answer is the same, so a key can't find out which projects there are. Raises
    Unchecked if PostgreSQL can't say now.
    """
    key, slug = cast(Key | None, request.auth), request.query_params.get("project")
    if key is not None:
        if slug in (None, key.slug):
            return key.project
        raise NotFound(_NONE)
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
        raise NotFound(_NONE)
    return found
