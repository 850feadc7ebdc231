"""What people see where no view can answer: a page in words, which asks no store for anything.

Clients of the API get the same as problem documents.
"""

import sys
from http import HTTPStatus

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.views.csrf import csrf_failure as refused_by_django

from config.api import problems
from config.building_blocks import unavailable
from dashboard.pages import Panel
from dashboard.refusals import error_panel

_HOME, _SHARED = "/dashboard/", "/shared/"
_OURS = ("/dashboard", _SHARED, "/login", "/logout")
# People read what these answer. Those of the admin have its own pages for all but failures.
_PAGES = (*_OURS, "/admin/", "/docs")
_POSTGRESQL = "PostgreSQL can't be reached. Try again."


def told(
    request: HttpRequest, status: int, said: str, *, seconds: int = 0, title: str = ""
) -> HttpResponse:
    """A page that says this; for strangers it leads nowhere. `seconds` is when to try again."""
    # Without the request, no context processor asks PostgreSQL who it is from.
    if request.path.startswith(_SHARED):
        html = render_to_string("dashboard/saving/shared.html", {"error": said})
    else:
        again, text = _next(request)
        context = {"title": title or HTTPStatus(status).phrase, "said": said}
        html = render_to_string(
            "dashboard/told.html", {**context, "again": again, "again_text": text}
        )
    answer = HttpResponse(html, status=status)
    if seconds:
        answer["Retry-After"] = str(seconds)
    return answer


def _next(request: HttpRequest) -> tuple[str, str]:
    """Where to go on, and the text of that link. A link can't send a form again."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path(), "Try again"
    if request.path.startswith(_OURS) and request.path != "/logout":
        return request.get_full_path(), "Load the page again"
    return _HOME, "Go to the overview"


def limited(request: HttpRequest, status: int, said: str, seconds: int) -> HttpResponse | None:
    """The page or the panel that the rate limit refuses. None for what is neither."""
    if not request.path.startswith((_HOME, _SHARED)):
        return None
    panel = _panel(request)
    if panel is None:
        return told(request, status, said, seconds=seconds)
    context = {"panel": panel, "address": request.get_full_path()}
    answer = HttpResponse(error_panel(request, said, context), status=status)
    answer["Retry-After"] = str(seconds)
    return answer


def _panel(request: HttpRequest) -> Panel | None:
    try:
        found = resolve(request.path).func
    except Resolver404:
        return None
    panel: Panel | None = getattr(found, "panel", None)
    return panel


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of this browser. Most often it was open when somebody logged in."""
    if not request.path.startswith(_OURS):
        return refused_by_django(request, reason)
    said = (
        "The form was not made for this browser, or is older than your login. Nothing was changed. "
        "Load the page again and send it once more."
    )
    return told(request, 403, said, title="Load the page again")


def misunderstood(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Such as a form that was sent while the session ended in another tab."""
    if isinstance(exception, SessionInterrupted) and request.path.startswith(_OURS):
        said = "You were logged out meanwhile. Log in again to see what has been done."
        return told(request, 400, said, title="Logged out")
    return problems.bad_request(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """What an error in a view or around it becomes, such as a session that can't be saved."""
    is_page = request.path.startswith(_PAGES)
    if isinstance(sys.exc_info()[1], unavailable.POSTGRESQL):
        if is_page:
            return told(request, 503, _POSTGRESQL, seconds=5)
        answer = problems.answer(503, "PostgreSQL can't be reached.")
        answer["Retry-After"] = "5"
        return answer
    if is_page:
        return told(request, 500, "The service failed to answer; the log has the reason.")
    return problems.server_error(request)
