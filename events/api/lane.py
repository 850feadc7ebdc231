"""A short way for `POST /events` of a few events, through the server's event loop.

Browsers and most clients send one event a request. Django and its threads take several times as
long as the work itself. So here the event loop checks the events, and all requests of a turn share
one call for the rate limit and one message. This way only accepts: of a request that is unusual in
any respect, or to be refused, it says nothing, and Django answers that. The functions are those of
Django's way, and tests hold that both ways answer the same.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

import msgspec
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException

from config.building_blocks.turns import Turns
from config.memory import room
from config.memory.room import SMALL_BYTES
from config.middleware import access_log, rate_limit
from config.middleware.limits import Limit
from config.monitoring import metrics, request_id
from config.server.sending import Answer
from events.api import views
from events.format.records import Record
from events.ingest import rules
from events.ingest.validation import at_first_sight
from events.queueing import queue
from events.queueing.backpressure import QueueFull
from events.storing import quota
from projects import access, authentication
from projects.counts import count_events
from projects.of_request import project_of

_PATH = "/events"
# A larger body would hold up the event loop: to check 150 usual events takes 0.5 ms, and the worst
# body of this size that was found takes 5.
_MOST_BYTES = 2 * SMALL_BYTES
# The headers that this way knows, or that mean nothing to the service. Any other is for Django.
_KNOWN = {
    *("host", "content-type", "content-length", "user-agent", "accept", "accept-encoding"),
    *("accept-language", "connection", "keep-alive", "cache-control", "pragma", "dnt", "priority"),
    *("authorization", "x-api-key", "x-request-id", "origin", "referer", "traceparent"),
    *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via"),
    *("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-storage-access"),
    *("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-gpc", "tracestate"),
}
# What a request says of these decides the headers of its answer.
_SHAPE = ("HTTP_HOST", "HTTP_ORIGIN", "HTTP_X_FORWARDED_PROTO", "wsgi.url_scheme", "SERVER_PORT")
# Anybody may send them, also without a key.
_MOST_SHAPES, _MOST_CHARACTERS = 100, 500
_LIMIT = "config.middleware.rate_limit.middleware"
# These do work of their own, which this way does itself.
_WORKERS = {
    "config.monitoring.request_id.middleware",
    "config.middleware.access_log.middleware",
    _LIMIT,
}
_RESPONSE = "events.response"
_UNLIMITED = Limit("", 0, "")
_Answer = Callable[[HttpRequest], HttpResponseBase]
_NotQueued: TypeAlias = queue.QueueUnavailable | QueueFull


class _Request(NamedTuple):
    """What a turn has to know of a request."""

    limit: Limit
    project: int
    records: Sequence[Record]
    request_id: str
    request: HttpRequest
    began: float


class _Outcome(NamedTuple):
    """What became of a request: `error` is that of the rate limit or of the queue."""

    allowance: rate_limit.Allowance | None = None
    error: RedisError | _NotQueued | None = None


async def answer(names: Sequence[str], environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer to a request with headers of these `names`, or None: then Django has to answer.

    `environ` is WSGI's. What Django does with the same events then is safe, also after an error.
    """
    if not _is_usual(names, environ, body):
        return None
    began = time.perf_counter()
    # A copy: Django looks up for itself who sent the request.
    request = WSGIRequest({**environ})
    headers = _headers(request)
    asked = _asked(request, body, began) if headers else None
    outcome = await _turns(asked) if asked else None
    if asked is None or outcome is None:
        return None
    if outcome.error is None:
        given = _accepted(asked)
    else:
        given, headers = _failed(request, outcome.error)
    about = rate_limit.headers(asked.limit, outcome.allowance) if outcome.allowance else []
    return given._replace(
        headers=[
            *(headers or []),
            *about,
            (request_id.HEADER, asked.request_id),
            ("Content-Length", str(len(given.data))),
        ]
    )


def _is_usual(names: Sequence[str], environ: dict[str, Any], body: bytes) -> bool:
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ["PATH_INFO"] == _PATH
        and not environ["QUERY_STRING"]
        and environ.get("CONTENT_TYPE") == "application/json"
        and environ.get("CONTENT_LENGTH") == str(len(body))
        and 0 < len(body) <= _MOST_BYTES
        and _KNOWN.issuperset(names)
    )


def _asked(request: HttpRequest, body: bytes, began: float) -> _Request | None:
    """What a usual request asks for. Nothing here may wait: this is the event loop."""
    if not authentication.is_known(request):
        return None
    limits = [limit for limit in rate_limit.limits_of(request) if limit.per_minute]
    try:
        request.auth = access.decide(request, access.INGEST)  # type: ignore[attr-defined]
        project = project_of(request)
    except APIException:
        return None
    if len(limits) > 1 or quota.is_counted(project) or not rules.are_known_to_be_none(project):
        return None
    records = at_first_sight(body, closer=len(body) <= SMALL_BYTES)
    if not records:
        return None
    # Every event is known to be valid, so it takes less than the worst body of that size.
    room.need(room.work_bytes(len(body), events=len(records)))
    limit = limits[0] if limits else _UNLIMITED
    return _Request(limit, project, records, request_id.of(request), request, began)


def _work(asked: Sequence[_Request]) -> list[_Outcome | None]:
    """Take a token for each request, then put the events of those that got one on the queue.

    None is for Django to answer.
    """
    outcomes = _limited(asked)
    allowed = [n for n, one in enumerate(outcomes) if one and not one.error]
    wanted = [
        queue.Wanted(one.project, one.records, one.request_id)
        for one in (asked[n] for n in allowed)
    ]
    for number, error in zip(allowed, _queued(wanted) if wanted else [], strict=True):
        outcomes[number] = outcomes[number]._replace(error=error)  # type: ignore[union-attr]
    for one, outcome in zip(asked, outcomes, strict=True):
        if outcome:
            _note(one, outcome)
    return outcomes


def _note(one: _Request, outcome: _Outcome) -> None:
    """Log the request. In the thread: whoever reads the log may be slow, or have stopped."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if outcome.error else HTTPStatus.ACCEPTED
    route = "none" if isinstance(outcome.error, RedisError) else _PATH[1:]
    with request_id.answering(one.request_id):
        access_log.note(one.request, route, int(status), time.perf_counter() - one.began)


def _queued(wanted: Sequence[queue.Wanted]) -> Sequence[_NotQueued | None]:
    """The error of each request, or None if the queue has its events."""
    _count(wanted)
    try:
        queue.need_room()
    except (queue.QueueUnavailable, QueueFull) as error:
        return [error] * len(wanted)
    return queue.put_all(wanted)


def _count(wanted: Sequence[queue.Wanted]) -> None:
    for project in {one.project for one in wanted}:
        received = sum(len(one.events) for one in wanted if one.project == project)
        metrics.EVENTS_RECEIVED.labels("http").inc(received)
        count_events(project, received=received)


def _limited(asked: Sequence[_Request]) -> list[_Outcome | None]:
    """The outcome of each request so far; None for one that is over its limit."""
    limited = [n for n, one in enumerate(asked) if one.limit.per_minute]
    outcomes: list[_Outcome | None] = [_Outcome()] * len(asked)
    if not limited:
        return outcomes
    buckets = [(asked[n].limit.bucket, asked[n].limit.per_minute) for n in limited]
    try:
        if not rate_limit.is_shared():
            return [None if n in limited else one for n, one in enumerate(outcomes)]
        taken = rate_limit.take_all(buckets)
    except RedisError as error:
        taken = [error] * len(buckets)
    for number, one in zip(limited, taken, strict=True):
        if isinstance(one, Exception):
            outcomes[number] = _Outcome(error=RedisError(str(one)))
        else:
            outcomes[number] = _Outcome(one) if one.allowed else None
    return outcomes


_turns: Turns[_Request, _Outcome | None] = Turns("lane", _work)


def _accepted(asked: _Request) -> Answer:
    document = views.accepted(len(asked.records))
    return Answer(HTTPStatus.ACCEPTED, [], msgspec.json.encode(document))


def _failed(
    request: HttpRequest, error: RedisError | _NotQueued
) -> tuple[Answer, list[tuple[str, str]]]:
    """The answer to a request whose limit or queue can't be reached, and its headers."""
    if isinstance(error, RedisError):
        response = _dressed(request, rate_limit.unreachable(), outside_of=_LIMIT)
    else:
        response = _dressed(request, views.not_queued(error))
    return Answer(response.status_code, [], response.content), _without_length(response)


# --- Headers -----------------------------------------------------------------------------------

_shapes: dict[tuple[str, ...], list[tuple[str, str]]] = {}


def _headers(request: WSGIRequest) -> list[tuple[str, str]] | None:
    """The headers that Django's middleware gives to an accepted request like this one.

    None if it refuses or redirects the request. It is asked once for each kind of request.
    """
    shape = tuple(str(request.META.get(name, "")) for name in _SHAPE)
    if sum(map(len, shape)) > _MOST_CHARACTERS:
        return None
    if shape not in _shapes:
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        response = _dressed(request, views.answered(HTTPStatus.ACCEPTED, b""))
        if response.status_code != HTTPStatus.ACCEPTED:
            return None
        _shapes[shape] = _without_length(response)
    return _shapes[shape]


def _without_length(response: HttpResponse) -> list[tuple[str, str]]:
    return [pair for pair in response.items() if pair[0] != "Content-Length"]


def _dressed(request: HttpRequest, response: HttpResponse, outside_of: str = "") -> HttpResponse:
    """What Django's middleware makes of a response, or only what stands outside of some other."""
    request.META[_RESPONSE] = response
    dressed = _middleware(outside_of)(request)
    assert isinstance(dressed, HttpResponse)
    return dressed


@cache
def _middleware(outside_of: str) -> _Answer:
    """Django's middleware around a view whose response the request has with it."""
    paths = list(settings.MIDDLEWARE)
    if outside_of:
        paths = paths[: paths.index(outside_of)]
    answer: Any = convert_exception_to_response(lambda request: request.META[_RESPONSE])
    for path in reversed(paths):
        if path not in _WORKERS:
            with suppress(MiddlewareNotUsed):
                answer = convert_exception_to_response(import_string(path)(answer))
    found: _Answer = answer
    return found
