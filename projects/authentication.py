"""Who sent a request: the API key in its headers. The settings name the class as a string."""

from typing import cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from config.middleware.limits import Limit
from config.server import UNREADABLE
from projects import keys
from projects.keyring import Key, KeysUnknown, keyring
from projects.models import DEFAULT

# A name in `request.META` that no header can have.
_FOUND = "events.api_key"
# Pages about all projects: anyone may read them.
_FOR_READERS = ("/docs", "/openapi.json")


class Unchecked(APIException):
    """The key, the person or the project may exist, but PostgreSQL can't say now.

    This is not a Problem, because `config.api.problems` can't be imported while DRF starts.
    """

    status_code = 503
    default_detail = "It can't be checked now who may do this; send the request again."
    wait = 5


class KeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the key. Refuses a wrong key even where no key is required."""

    def authenticate(self, request: Request) -> tuple[None, Key] | None:
        key = presented(request._request)
        return None if key is None else (None, key)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def own_limits(request: HttpRequest) -> list[Limit]:
    """The limits of the request's key and project, if they have any: the key's is the first."""
    try:
        key = presented(request)
    except APIException:
        # The request is refused later. It counts towards the limit of its address.
        return []
    limits = [Limit(f"key:{key.id}", key.limit, "key")] if key and key.limit else []
    if request.path in _FOR_READERS or (key is None and settings.API_KEYS_REQUIRED):
        # A stranger must not use up the limit of a project.
        return limits
    number = key.project if key else _chosen(request)
    limit = None if number is None else keyring.limit_of(number)
    return [*limits, Limit(f"project:{number}", limit, "project")] if limit else limits


def _chosen(request: HttpRequest) -> int | None:
    """The project of a request without a key, if this process knows it."""
    slug = request.GET.get("project") if request.META.get("QUERY_STRING") else None
    return DEFAULT if slug is None else keyring.known_project(slug)


def presented(request: HttpRequest) -> Key | None:
    """The key in the headers of the request, or None. Ignores the query, because it is logged.

    Looks the key up once a request and keeps the key, or the error, in `request.META`. Raises
    AuthenticationFailed for a wrong key, and Unchecked if PostgreSQL can't say now.
    """
    if _FOUND not in request.META:
        try:
            request.META[_FOUND] = _looked_up(request)
        except APIException as refusal:
            request.META[_FOUND] = refusal
    found = request.META[_FOUND]
    if isinstance(found, APIException):
        raise found
    return cast(Key | None, found)


def is_known(request: HttpRequest) -> bool:
    """Whether this process knows who sent a request. Never waits; then `presented` won't either."""
    try:
        secret = _secret(request)
    except APIException:
        return False
    if secret is not None:
        found = keyring.known(keys.digest(secret))
        if found is None or found.is_expired:
            return False
        request.META[_FOUND] = found
    return keyring.is_current


def _looked_up(request: HttpRequest) -> Key | None:
    secret = _secret(request)
    if secret is None:
        return None
    try:
        key = keyring.find(keys.digest(secret)) if keys.is_well_formed(secret) else None
    except KeysUnknown:
        raise Unchecked from None
    if key is None:
        raise AuthenticationFailed("There is no such API key, or it was revoked.")
    if key.is_expired:
        raise AuthenticationFailed("This API key has expired.")
    return key


def _secret(request: HttpRequest) -> str | None:
    scheme, *credentials = request.META.get("HTTP_AUTHORIZATION", "").split(None, 1) or [""]
    # Any other scheme is for a proxy in front of the service. What can't be read is a wrong key.
    is_ours = scheme.lower() in ("bearer", UNREADABLE)
    bearer = "".join(credentials).strip() if is_ours else None
    named = request.META.get("HTTP_X_API_KEY")
    if bearer is not None and named is not None and bearer != named:
        raise AuthenticationFailed("Two different API keys were sent.")
    return cast(str | None, named if bearer is None else bearer)
