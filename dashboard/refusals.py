"""What a page or a panel says or does when it can't show what it was asked for."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.exceptions import APIException, NotAuthenticated

from analytics.api.view import TOO_LONG, as_problem, is_over_limit
from config.api.problems import Problem
from config.building_blocks import unavailable
from config.memory.room import NoRoom
from dashboard import wording
from events.storing.store import NoProject
from projects import people
from projects.of_request import NONE
from projects.people import ProjectNotNamed

_HOME = "/dashboard/"


def known(error: Exception) -> APIException:
    """The error with the status and the text for a reader. Raises any other error again."""
    if isinstance(error, NoRoom):
        return Problem(503, "Too many large answers are being made now. Try again.")
    if isinstance(error, NoProject):
        return Problem(404, NONE)
    if isinstance(error, unavailable.POSTGRESQL):
        return Problem(503, "PostgreSQL can't be reached.", headers={"Retry-After": "5"})
    found = as_problem(error)
    if not isinstance(found, APIException):
        raise error
    return _marked(found, error)


def _marked(refusal: APIException, error: Exception) -> APIException:
    refusal.is_lasting = _is_lasting(error)  # type: ignore[attr-defined]
    return refusal


def _is_lasting(error: Exception) -> bool:
    """Whether a report asks for too much, however often: only a time out may pass by itself."""
    return is_over_limit(error) and getattr(error, "code", None) != TOO_LONG


def known_to_strangers(error: Exception) -> APIException:
    """The same in words for who can neither ask for less nor change a setting."""
    refusal = known(error)
    if is_over_limit(error):
        said = "This view is too large to be shown now."
        return _marked(Problem(503, said, headers={"Retry-After": "5"}), error)
    return refusal


def told(answer: HttpResponse, refusal: APIException) -> HttpResponse:
    """The answer with the refusal's own headers."""
    for name, value in getattr(refusal, "headers", {}).items():
        answer[name] = value
    seconds = getattr(refusal, "wait", None)
    if seconds:
        answer["Retry-After"] = str(seconds)
    return answer


def led_on(request: HttpRequest, refusal: APIException) -> HttpResponseBase | None:
    """The answer that leads to where the reader can go on, if there is such a place.

    That is the page to log in, or the first project of a person who has several.
    """
    if isinstance(refusal, NotAuthenticated):
        return _to_login(request)
    if isinstance(refusal, ProjectNotNamed):
        first = people.members_of(people.person_of(request))[0]  # type: ignore[arg-type]
        query = request.GET.copy()
        query["project"] = first.slug
        return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
    return None


def _to_login(request: HttpRequest) -> HttpResponseBase:
    if "HX-Request" not in request.headers:
        return redirect_to_login(request.get_full_path())
    # The session has ended since the page was made: the whole page goes there, not this panel.
    login = redirect_to_login(_page_of(request))
    return HttpResponse(status=401, headers={"HX-Redirect": login["Location"]})


def _page_of(request: HttpRequest) -> str:
    """The path of the page that asks for a panel; a page of ours, whatever the header says."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return _HOME
    if not parts.path.startswith(_HOME):
        return _HOME
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def refused_panel(
    request: HttpRequest, refusal: APIException, context: Mapping[str, Any]
) -> SafeString:
    """The panel with what is wrong. It can be asked for again only where that may help."""
    text = wording.said(request, refusal, context["panel"].name)
    if not wording.may_pass(refusal):
        context = {**context, "address": "", "advice": wording.advice(refusal)}
    return error_panel(request, text, context)


def error_panel(request: HttpRequest, text: str, context: Mapping[str, Any]) -> SafeString:
    """`context` has `panel` and, if it can be asked for again, `address`."""
    html = render_to_string("dashboard/panel_error.html", {**context, "error": text}, request)
    return mark_safe(html)  # noqa: S308
