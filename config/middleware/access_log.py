"""Logs and measures each request: what was asked, the status of the answer, and the time."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from structlog import get_logger

from config.monitoring import metrics
from config.monitoring.logs import path_without_secrets

log = get_logger("request")

# Machines request these paths all the time.
_QUIET = ("/health", "/ready")
_PATH_CHARACTERS = 200
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = get_response(request)
        note(request, _route(request), response.status_code, time.perf_counter() - began)
        return response

    return answer


def note(request: HttpRequest, route: str, status: int, seconds: float) -> None:
    """Count and log a request that is answered."""
    labels = _method(request), route, status
    metrics.API_REQUEST_SECONDS.labels(*labels).observe(seconds)
    is_quiet = request.path in _QUIET or request.path.startswith("/static/")
    say = log.debug if is_quiet else log.info
    say(
        "request",
        method=request.method,
        # Without the query string too: its `segment` may name a person.
        path=path_without_secrets(request.path)[:_PATH_CHARACTERS],
        status=status,
        milliseconds=round(seconds * 1000, 1),
    )


def _method(request: HttpRequest) -> str:
    """The method, or `other`: a client may send any word, too many for the values of a metric."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return request.method if request.method in known else "other"


def _route(request: HttpRequest) -> str:
    """The route that matched. `none` if there is none, or if the request was refused earlier."""
    match = request.resolver_match
    return match.route if match else "none"
