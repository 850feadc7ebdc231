"""The Content-Security-Policy of every answer: what a browser may do with it.

Django 5.2 sends none. django-csp is for policies that views change. Here there are several, and
the start of the path decides.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# For the API, whose answers are not pages.
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action "
)
# The pages of the admin and of Swagger UI have inline styles, but no inline script.
# Ours have none of either.
_OURS = f"{_PAGE}'self'".replace(" 'unsafe-inline'", "")
_POLICIES = {
    "/admin/": f"{_PAGE}'self'",
    "/docs": f"{_PAGE}'none'",
    "/dashboard": _OURS,
    "/login": _OURS,
    "/logout": _OURS,
    "/shared/": _OURS,
}
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
