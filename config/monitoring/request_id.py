"""The id of a request: from the X-Request-ID of a proxy or client, or made here.

The answer's X-Request-ID repeats it, and it is in the `log_comment` of ClickHouse's queries.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# Any other text could forge lines of a log, or fill the log.
_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")
_several: ContextVar[Sequence[str]] = ContextVar("request_ids", default=())
_Answer = Callable[[HttpRequest], HttpResponseBase]


def current() -> str:
    """The id of the request being answered; empty outside of a request."""
    return _current.get()


def several() -> Sequence[str]:
    """The ids of the requests whose events a worker is handling; empty outside of that."""
    return _several.get()


@contextmanager
def working_for(request_ids: Sequence[str]) -> Iterator[None]:
    before = _several.set(request_ids)
    try:
        yield
    finally:
        _several.reset(before)


def of(request: HttpRequest) -> str:
    """The id that a request brings, if it has the form of one, or a new one."""
    given = str(request.META.get("HTTP_X_REQUEST_ID", ""))
    return given if _FORM.fullmatch(given) else uuid4().hex


@contextmanager
def answering(request_id: str) -> Iterator[None]:
    """The request with this id is being answered in the block."""
    before = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(before)


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        request_id = of(request)
        with answering(request_id):
            response = get_response(request)
        response[HEADER] = request_id
        return response

    return answer
