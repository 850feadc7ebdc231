"""The throttle of the admin's login: a token bucket per client address, and one per user name.

Tries with the right password count too: only so does a refusal say nothing about the password.
"""

import unicodedata
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from redis.exceptions import RedisError
from structlog import get_logger

from config import metrics
from config.rate_limit import client_address, take

log = get_logger(__name__)

_LONGEST_NAME = 100
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
        return login(request, *args, **kwargs)

    return answer


def _seconds_to_wait(request: HttpRequest) -> int:
    """0 where this try is within both limits. Raises redis' RedisError."""
    name, address = request.POST.get("username", ""), client_address(request)
    for limit, bucket in (("address", address), ("name", _folded(name))):
        allowance = take(f"login:{limit}:{bucket}", limit=settings.LOGIN_LIMIT_PER_MINUTE)
        if not allowance.allowed:
            metrics.RATE_LIMIT_HITS.labels("login").inc()
            log.warning("login_throttled", limit=limit, address=address, name=_shown(name))
            return max(1, allowance.reset)
    return 0


def _folded(name: str) -> str:
    """One bucket for all spellings that could be meant for one user, of bounded length."""
    text = unicodedata.normalize("NFKC", name).strip().casefold()
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
