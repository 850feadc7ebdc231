"""The throttle of the pages to log in: a token bucket per client address, and one per user name.

Attempts with the right password count too. Otherwise a refusal would tell something about the
password.
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
# Django's limit for this field.
_LONGEST_USER = 254
_View = Callable[..., HttpResponseBase]
_Refusal = Callable[[HttpRequest, int, int, str], HttpResponseBase]


def limited(login: _View, refusal: _Refusal | None = None) -> _View:
    """The view with the limit: 429 above it, and 503 while Redis is down and nothing can count.

    `refusal` makes that answer of the request, its status, the seconds to wait and the reason.
    Without it, the answer is a page of the admin.
    """
    refused = refusal or _refusal

    @wraps(login)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or not settings.LOGIN_LIMIT_PER_MINUTE:
            return login(request, *args, **kwargs)
        try:
            seconds = _seconds_to_wait(request)
        except RedisError:
            return refused(request, 503, 5, "Nobody can log in while Redis can't be reached.")
        if seconds:
            return refused(request, 429, seconds, "There were too many attempts to log in.")
        response = login(request, *args, **kwargs)
        _tell(request, response)
        return response

    return answer


def _seconds_to_wait(request: HttpRequest) -> int:
    """Seconds to wait; 0 if this attempt is within both limits. Raises redis' RedisError."""
    name, address = request.POST.get("username", ""), client_address(request)
    # The address first: for a throttled address no name is folded.
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
    """Log the result. If the form is shown again, the login has failed."""
    name, address = _shown(request.POST.get("username", "")), client_address(request)
    if response.status_code == HTTPStatus.OK:
        log.warning("login_failed", name=name, address=address)
    else:
        log.info("logged_in", name=name, address=address)


def _folded(name: str) -> str:
    """The name of a user's bucket: the same for all spellings that could mean one user.

    Its length is bounded. The user name is cut before it is normalized: to normalize a megabyte of
    accents takes minutes.
    """
    text = unicodedata.normalize("NFKC", name.strip()[:_LONGEST_USER]).strip().casefold()
    return sha256(text.encode(errors="replace")).hexdigest()


def _shown(name: str) -> str:
    """A name for the log: only its beginning, without characters that could control a terminal."""
    return "".join(one if one.isprintable() else "?" for one in name[:_LONGEST_NAME])


def _refusal(request: HttpRequest, status: int, seconds: int, reason: str) -> HttpResponseBase:
    context = {**admin.site.each_context(request), "reason": reason, "seconds": seconds}
    headers = {"Retry-After": str(seconds)}
    return TemplateResponse(
        request, "admin/login_refused.html", context, status=status, headers=headers
    )
