"""No cache that several people share keeps an answer, unless the answer says otherwise.

Without a word, such a cache may keep what is asked for with `X-API-Key` or a cookie, and give it to
whoever asks next (RFC 9111, 3).
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private")
        return response

    return answer
