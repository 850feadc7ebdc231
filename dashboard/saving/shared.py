"""Pages for strangers: one saved view for whoever has a link to it, and nothing else."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.exceptions import APIException

from config.api import problems
from config.api.problems import Problem
from dashboard import numbers, refusals
from dashboard.pages import Panel, made, waiting
from dashboard.saving import links, showing
from dashboard.saving.links import LinkEnded, NoLink, Opened
from dashboard.saving.store import Gone
from dashboard.state import NO_SCRIPT, state_of
from projects.pages import open_to_all

_NO_LINK = "There is no such page. The link may have been copied only in part."
_ENDED = "This link has ended. Whoever sent it can make a new one."
_NOTHING = Panel("shared", "Shared view", lambda request, state: {})
_Answer = Callable[..., HttpResponse]


def _for_strangers(view: _Answer) -> Any:
    """For looking at only. A middleware keeps its address out of caches and search engines."""

    @open_to_all
    @wraps(view)
    def answer(request: HttpRequest, **named: str) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return problems.wrong_method(request, "GET, HEAD")
        return view(request, **named)

    return answer


@_for_strangers
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the view, without a way to anywhere else."""
    try:
        opened, asked = _opened(request, token)
        state = state_of(asked)
        context = {
            "name": opened.view.name,
            "state": state,
            "until": numbers.moment(opened.end, ZoneInfo(state.zone)),
            "panels": [_shown(request, asked, it, token) for it in _panels(opened)],
            "whole": f"/shared/{token}?script={NO_SCRIPT}",
            "is_whole": _is_whole(request),
        }
    except Exception as error:
        return _told(request, _refusal(error))
    return render(request, "dashboard/saving/shared.html", context)


@_for_strangers
def nothing(request: HttpRequest, path: str) -> HttpResponse:
    """Any other address, such as a link with something after it."""
    return _told(request, _refusal(NoLink()))


def _told(request: HttpRequest, refusal: APIException) -> HttpResponse:
    context = {"error": str(refusal.detail)}
    answer = render(request, "dashboard/saving/shared.html", context, status=refusal.status_code)
    return refusals.told(answer, refusal)


@_for_strangers
def panel(request: HttpRequest, token: str, name: str) -> HttpResponse:
    """One panel of the page."""
    try:
        opened, asked = _opened(request, token)
        found = next((it for it in _panels(opened) if it.name == name), None)
        if found is None:
            raise NoLink
        status, html = made(asked, found, _address(token, found))
    except Exception as error:
        refusal = _refusal(error)
        html = refusals.error_panel(request, str(refusal.detail), {"panel": _NOTHING})
        return refusals.told(HttpResponse(html, status=refusal.status_code), refusal)
    return HttpResponse(html, status=status)


# What refuses it before it is asked says so in a panel too.
panel.panel = _NOTHING


def _opened(request: HttpRequest, token: str) -> tuple[Opened, HttpRequest]:
    """What the link shows, and the request as if it asked for that."""
    opened = links.opened(token)
    if showing.why_not_shared(opened.view):
        raise LinkEnded
    return opened, showing.asked_by_stranger(request, opened.view, opened.reader)


def _panels(opened: Opened) -> list[Panel]:
    return list(showing.page_of(opened.view.page).panels)


def _shown(request: HttpRequest, asked: HttpRequest, one: Panel, token: str) -> Any:
    if _is_whole(request):
        return made(asked, one, _address(token, one))[1]
    return waiting(one, _address(token, one))


def _is_whole(request: HttpRequest) -> bool:
    return request.GET.get("script") == NO_SCRIPT


def _address(token: str, one: Panel) -> str:
    return f"/shared/{token}/panels/{one.name}"


def _refusal(error: Exception) -> APIException:
    if isinstance(error, NoLink):
        return Problem(404, _NO_LINK)
    if isinstance(error, LinkEnded | Gone):
        return Problem(410, _ENDED)
    return refusals.known(error)
