"""CORS: pages of settings.CORS_ORIGINS may post events from their visitors' browsers.

Nothing else is allowed: no reports and no cookies. django-cors-headers looks at every request. For
one method of one path, its configuration would be longer than this module.
"""

import re
from collections.abc import Callable, Iterable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

PATH = "/events"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Encoding, Content-Type, X-API-Key, X-Request-ID"
    ),
    # Seconds. No browser keeps the answer for longer than a day.
    "Access-Control-Max-Age": "86400",
}
_READABLE = "RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
# An origin as browsers write it: without a path, and without a slash at the end.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?")
_Answer = Callable[[HttpRequest], HttpResponseBase]


def origins(given: Iterable[str]) -> list[str]:
    """The given origins. Raises ImproperlyConfigured unless each is `*` or an origin."""
    checked = list(given)
    for one in checked:
        if one != "*" and not _ORIGIN.fullmatch(one):
            raise ImproperlyConfigured(
                f"CORS_ORIGINS must have * or origins like https://www.example.com, got {one!r}"
            )
    return checked


def middleware(get_response: _Answer) -> _Answer:
    """Runs before keys and limits: a page may read their refusals, and a preflight has no key."""
    if not settings.CORS_ORIGINS:
        raise MiddlewareNotUsed

    def answer(request: HttpRequest) -> HttpResponseBase:
        origin = request.META.get("HTTP_ORIGIN")
        if origin is None or request.path != PATH:
            return get_response(request)
        wanted = request.META.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        is_preflight = request.method == "OPTIONS" and wanted is not None
        response = HttpResponse(status=204) if is_preflight else get_response(request)
        if (wanted if is_preflight else request.method) == "POST":
            _open(response, origin, is_preflight)
        return response

    return answer


def is_foreign(request: HttpRequest) -> bool:
    """Whether a page that is not allowed to made a browser send this request.

    A page can do that, also to localhost: browsers send a simple POST without a preflight, and CORS
    only hides the answer. Browsers send the page's origin with every POST; other clients do not.
    """
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return False
    if request.path == PATH and not {origin, "*"}.isdisjoint(settings.CORS_ORIGINS):
        return False
    # Our own pages are allowed: /docs has a form to try the API.
    return bool(origin.partition("://")[2] != request.get_host())


def _open(response: HttpResponseBase, origin: str, is_preflight: bool) -> None:
    is_any = "*" in settings.CORS_ORIGINS
    if not is_any:
        patch_vary_headers(response, ["Origin"])
    if not is_any and origin not in settings.CORS_ORIGINS:
        return
    response["Access-Control-Allow-Origin"] = "*" if is_any else origin
    if is_preflight:
        for name, value in _PREFLIGHT.items():
            response[name] = value
    else:
        response["Access-Control-Expose-Headers"] = _READABLE
