"""Which project a request is about."""

from typing import cast

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from projects.authentication import Unchecked
from projects.keyring import Key, KeysUnknown, keyring
from projects.models import DEFAULT

_NONE = "There is no such project."


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
    return DEFAULT if slug is None else _found(slug)


def zone_of(project: int) -> str:
    """The time zone of a project. Raises NotFound, and Unchecked if PostgreSQL can't say now."""
    try:
        zone = keyring.find_zone(project)
    except KeysUnknown:
        raise Unchecked from None
    if zone is None:
        raise NotFound(_NONE)
    return zone


def _found(slug: str) -> int:
    try:
        number = keyring.find_project(slug)
    except KeysUnknown:
        raise Unchecked from None
    if number is None:
        raise NotFound(_NONE)
    return number
