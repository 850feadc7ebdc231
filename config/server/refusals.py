"""Answers for bodies that the event loop did not take in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from config.api import problems
from config.server.body import REFUSAL, Refusal

_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    """Answers a request whose body was refused. It reaches no view and no rate limit."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        refusal: Refusal | None = request.META.get(REFUSAL)
        return _refused(refusal) if refusal else get_response(request)

    return answer


def _refused(refusal: Refusal) -> JsonResponse:
    document = problems.body(refusal.status, refusal.detail)
    response = JsonResponse(document, status=refusal.status, content_type=problems.CONTENT_TYPE)
    if refusal.retry_after:
        response["Retry-After"] = str(refusal.retry_after)
    return response
