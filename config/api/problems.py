"""Errors as `application/problem+json` (RFC 9457), for every view of the API."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from config.memory.room import NoRoom

CONTENT_TYPE = "application/problem+json"


class Problem(APIException):
    """Raised by a view to answer with a problem document.

    `title` defaults to the phrase of the status, `type` to `about:blank`. `errors` lists the faults
    if there are several. `headers` are sent with the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        type: str = "about:blank",
        errors: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status
        self.title = title or HTTPStatus(status).phrase
        self.type = type
        self.errors = errors
        self.headers = dict(headers or {})


def body(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    type: str = "about:blank",
    errors: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": type,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = list(errors)
    return document


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error it knows becomes a problem document."""
    if isinstance(exc, NoRoom):
        detail = "Too many large answers are being made now. Send the request again."
        exc = Problem(503, detail, headers={"Retry-After": "1"})
    if isinstance(exc, Problem):
        document = body(
            exc.status_code, str(exc.detail), title=exc.title, type=exc.type, errors=exc.errors
        )
        return Response(
            document, status=exc.status_code, headers=exc.headers, content_type=CONTENT_TYPE
        )
    response = exception_handler(exc, context)
    if response is None:
        return None
    response.data = _document_of(exc, response)
    response.content_type = CONTENT_TYPE
    return response


def _document_of(exc: Exception, response: Response) -> dict[str, Any]:
    if isinstance(exc, ValidationError) and isinstance(response.data, dict):
        errors = [{"field": field, "message": str(said)} for field, said in response.data.items()]
        return body(response.status_code, "The request is not valid.", errors=errors)
    detail = getattr(exc, "detail", None) or HTTPStatus(response.status_code).phrase
    return body(response.status_code, str(detail))


def wrong_method(request: HttpRequest, allowed: str) -> JsonResponse:
    response = answer(405, f'Method "{request.method}" not allowed.')
    response["Allow"] = allowed
    return response


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return answer(404, f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> JsonResponse:
    return answer(500, "The service failed to answer; the log has the reason.")


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    return answer(400, "The request could not be understood.")


def answer(status: int, detail: str) -> JsonResponse:
    return JsonResponse(body(status, detail), status=status, content_type=CONTENT_TYPE)
