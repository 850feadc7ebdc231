"""The throttle of the admin's login: a token bucket per client address, and one per user name.

Tries with the right password count too: only so does a refusal say nothing about the password.
"""

import unicodedata
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from redis.exceptions import RedisError
from structlog import get_logger

from config.middleware.rate_limit import client_address, network, take
from config.monitoring import metrics

log = get_logger(__name__)

_LONGEST_NAME = 100
# Django's own for the field.
_LONGEST_USER = 254
_View = Callable[..., HttpResponseBase]


def limited(login: _View) -> _View:
    """The view, which answers 429 past the limit and 503 while nobody counts: Redis is down."""

    @wraps(login)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or not settings.LOGIN_LIMIT_PER_MINUTE:
            return login(request, *args, **kwargs)
        try:
            seconds = _seconds_to_wait(request)
        except RedisError:
            return _refusal(request, 503, 5, "Nobody can log in while Redis can't be reached.")
        if seconds:
            return _refusal(request, 429, seconds, "There were too many tries.")
        response = login(request, *args, **kwargs)
        _tell(request, response)
        return response

    return answer


def _seconds_to_wait(request: HttpRequest) -> int:
    """0 where this try is within both limits. Raises redis' RedisError."""
    name, address = request.POST.get("username", ""), client_address(request)
    # A throttled address does not get as far as the folding of names.
    of_address = _wait(f"login:address:{network(address)}")
    seconds = of_address or _wait(f"login:name:{_folded(name)}")
    if seconds:
        metrics.RATE_LIMIT_HITS.labels("login").inc()
        limit = "address" if of_address else "name"
        log.warning("login_throttled", limit=limit, address=address, name=_shown(name))
    return seconds


def _wait(bucket: str) -> int:
    allowance = take(bucket, limit=settings.LOGIN_LIMIT_PER_MINUTE)
    return 0 if allowance.allowed else max(1, allowance.reset)


def _tell(request: HttpRequest, response: HttpResponseBase) -> None:
    """The form shown again is a failure."""
    name, address = _shown(request.POST.get("username", "")), client_address(request)
    if response.status_code == HTTPStatus.OK:
        log.warning("login_failed", name=name, address=address)
    else:
        log.info("logged_in", name=name, address=address)


def _folded(name: str) -> str:
    """One bucket for all spellings that could be meant for one user, of bounded length.

    Cut before it is normalized, which takes minutes for a megabyte of accents.
    """
    text = unicodedata.normalize("NFKC", name.strip()[:_LONGEST_USER]).strip().casefold()
    return sha256(text.encode(errors="replace")).hexdigest()


def _shown(name: str) -> str:
    """For a log: its beginning, and nothing that could steer a terminal."""
    return "".join(one if one.isprintable() else "?" for one in name[:_LONGEST_NAME])


def _refusal(request: HttpRequest, status: int, seconds: int, reason: str) -> HttpResponseBase:
    context = {**admin.site.each_context(request), "reason": reason, "seconds": seconds}
    headers = {"Retry-After": str(seconds)}
    return TemplateResponse(
        request, "admin/login_refused.html", context, status=status, headers=headers
    )
