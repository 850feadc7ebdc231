"""Compresses pages and their static files, which are small then on a slow line.

The API's answers are left to the proxy in front.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_PATHS = ("/dashboard", "/login", "/shared/", "/static/")
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    compressed: _Answer = GZipMiddleware(get_response)  # type: ignore[assignment]

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(_PATHS):
            return get_response(request)
        response = compressed(request)
        if request.path.startswith("/static/") and response.has_header("Content-Encoding"):
            # WhiteNoise does not know the ETag of what is compressed, and would always send the
            # file again. It knows the time of its last change.
            del response["ETag"]
        return response

    return answer
