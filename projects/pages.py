"""Checks plain views, which are neither DRF's nor the admin's: the pages that people look at.

A page says what it needs by the decorator `needs`, or by the attribute `scopes` of its class.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from rest_framework.exceptions import APIException, NotAuthenticated

from config.api import problems
from projects.access import ANY, decide
from projects.of_request import project_of

V = TypeVar("V", bound=Callable[..., Any])
_Answer = Callable[[HttpRequest], HttpResponseBase]
_Refused = Callable[[HttpRequest, APIException], HttpResponseBase]


def needs(**scopes: str) -> Callable[[V], V]:
    """The scope of each method, of `projects.access`: `@needs(GET=READ, POST=EDIT)`.

    Other methods get 405. The view finds the key or the member in `request.auth`, and the number of
    the project in `request.project`, unless ANY will do. A view that has an attribute `refused`
    answers in its own way who is refused: a function of the request and the exception.
    """

    def declared(view: V) -> V:
        view.scopes = scopes  # type: ignore[attr-defined]
        return view

    return declared


def open_to_all(view: V) -> V:
    """Declares a page that answers everybody, such as one to log in."""
    view.is_open = True  # type: ignore[attr-defined]
    return view


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    answer.process_view = _refusal  # type: ignore[attr-defined]
    return answer


def _refusal(request: HttpRequest, view: Any, *_: Any) -> HttpResponseBase | None:
    """What the request gets instead of the page, if anything."""
    if hasattr(view, "cls") or getattr(view, "is_open", False) or _is_admins(request.path):
        return None
    scopes = getattr(getattr(view, "view_class", view), "scopes", None)
    if not scopes:
        raise ImproperlyConfigured(f"the view of {request.path} does not declare what it needs")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in scopes:
        return problems.wrong_method(request, ", ".join(scopes))
    try:
        page: Any = request
        page.auth = decide(request, scopes[method])
        if scopes[method] != ANY:
            page.project = project_of(request)
    except APIException as refusal:
        own: _Refused = getattr(view, "refused", _refused)
        return own(request, refusal)
    return None


def _is_admins(path: str) -> bool:
    """Whether the page is the admin's, which checks its pages itself."""
    return path == "/admin" or path.startswith("/admin/")


def _refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
    if request.method in ("GET", "HEAD") and isinstance(refusal, NotAuthenticated):
        return redirect_to_login(request.get_full_path())
    answer = problems.answer(refusal.status_code, str(refusal.detail))
    seconds = getattr(refusal, "wait", None)
    if seconds:
        answer["Retry-After"] = str(seconds)
    return answer
