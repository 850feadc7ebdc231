"""The Content-Security-Policy of every answer: what a browser may do with it.

Django 5.2 sends none. django-csp is for policies that views change; three that go by the path are a
prefix and a header.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# Answers of the API are no pages.
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action "
)
# The admin's and Swagger UI's pages have styles among their HTML, and no script.
_POLICIES = {"/admin/": f"{_PAGE}'self'", "/docs": f"{_PAGE}'none'"}
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    pages = tuple(_POLICIES)

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = request.path.startswith(pages)
        response["Content-Security-Policy"] = _of_page(request.path) if is_page else _NOTHING
        return response

    return answer


def _of_page(path: str) -> str:
    return next(policy for start, policy in _POLICIES.items() if path.startswith(start))
