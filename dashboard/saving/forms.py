"""The view of a page that has forms: shows the page, or does what a form asks and leads back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from rest_framework.exceptions import APIException
from structlog import get_logger

from config.api.problems import Problem
from dashboard import refusals
from dashboard.pages import Page, error_page
from dashboard.saving.box import SAVED, name_of, project_of
from dashboard.saving.store import Gone, NotSaved
from projects.pages import needs
from projects.scopes import EDIT, READ

log = get_logger(__name__)
PAGE = Page("saved", "Saved", SAVED.removeprefix("/dashboard/"))
# What a form does: gives the address that comes next, or a page.
Action = Callable[..., str | HttpResponse]
Show = Callable[..., HttpResponse]


def view_of(pages: Sequence[Page], show: Show, actions: Mapping[str, Action]) -> Any:
    """`show` gets the request, the pages and what the path names; `said` tells of a refusal."""

    @needs(GET=READ, POST=EDIT)
    def view(request: HttpRequest, **named: int) -> HttpResponse:
        try:
            if request.method != "POST":
                return show(request, pages, **named)
            return _done(request, pages, show, actions, named)
        except Exception as error:
            return error_page(request, PAGE, pages, refusal_of(error))

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        return refusals.led_on(request, refusal) or error_page(request, PAGE, pages, refusal)

    view.refused = refused  # type: ignore[attr-defined]
    return view


def refusal_of(error: Exception) -> APIException:
    """The error as a reader is told of it. Raises one that nobody should be told of."""
    return Problem(404, str(error)) if isinstance(error, Gone) else refusals.known(error)


def number(request: HttpRequest, name: str) -> int:
    """The number that a form gives. Raises Gone, as there is nothing with any other text."""
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise Gone("There is no such saved view.")
    return int(text)


def _log(request: HttpRequest) -> None:
    given = request.POST
    log.info(
        "saved_views_changed",
        action=given["action"],
        name=given.get("name", ""),
        path=request.path,
        project=project_of(request),
        by=name_of(request),
    )


def _done(
    request: HttpRequest,
    pages: Sequence[Page],
    show: Show,
    actions: Mapping[str, Action],
    named: Mapping[str, int],
) -> HttpResponse:
    action = actions.get(request.POST.get("action", ""))
    if action is None:
        raise Problem(400, "The form does not say what to do.")
    try:
        done = action(request, **named)
    except NotSaved as error:
        status = 409 if error.is_taken else 400
        answer = show(request, pages, **named, said=str(error))
        answer.status_code = status
        return answer
    _log(request)
    return HttpResponseRedirect(done) if isinstance(done, str) else done
