"""Headers for addresses that are secrets: whoever has one may look.

No cache keeps the answers, no search engine finds them, and no other site is told the address.
Refusals that never reach a view have the same address, so the path decides.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

_PATHS = ("/shared/",)
_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith(_PATHS):
            for name, value in _HEADERS.items():
                response[name] = value
        return response

    return answer
