"""Pages and their panels as data, and the views that show them.

A panel loads by itself, so that a slow report keeps nothing else waiting. Without script, all
panels are on the page from the beginning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.exceptions import APIException

from analytics.api.view import as_problem
from config.api.problems import Problem
from config.memory.room import NoRoom
from dashboard.state import State, state_of
from projects.pages import needs
from projects.scopes import READ

Filled = Mapping[str, Any]
Fill = Callable[[HttpRequest, State], Filled]
# What stays in the address from page to page.
_KEPT = ("project", "range", "from", "to", "tz", "segment")
# `script=no` in the address says that the browser runs no script.
_NO_SCRIPT = "no"


@dataclass(frozen=True)
class Panel:
    """`fill` gives what the template `panels/{name}.html` shows. It raises what reports raise."""

    name: str
    title: str
    fill: Fill
    is_wide: bool = False


@dataclass(frozen=True)
class Page:
    """At `/dashboard/{path}`. `fill` gives what the template `{name}.html` shows."""

    name: str
    title: str
    path: str
    panels: Sequence[Panel] = ()
    fill: Fill = lambda request, state: {}


def view_of(page: Page, pages: Sequence[Page]) -> Any:
    @needs(GET=READ)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            state = state_of(request)
            context = {
                "page": page,
                "state": state,
                "pages": [(it, _address(it, state), it is page) for it in pages],
                "panels": [_shown(request, page, it, state) for it in page.panels],
                "whole": state.link(script=_NO_SCRIPT),
                **page.fill(request, state),
            }
        except Exception as error:
            status, text = _refusal(error)
            context = {"page": page, "pages": [], "error": text}
            return render(request, "dashboard/error.html", context, status=status)
        return render(request, f"dashboard/{page.name}.html", context)

    return view


def view_of_panel(page: Page, panel: Panel) -> Any:
    @needs(GET=READ)
    def view(request: HttpRequest) -> HttpResponse:
        status, html = _made(request, page, panel)
        return HttpResponse(html, status=status)

    return view


def _address(page: Page, state: State) -> str:
    kept = {name for name in state.given if name in _KEPT}
    return state.link(f"/dashboard/{page.path}", without=set(state.given) - kept)


def _shown(request: HttpRequest, page: Page, panel: Panel, state: State) -> SafeString:
    """The panel itself, or a place for it that asks for it."""
    if state.given.get("script") == _NO_SCRIPT:
        return _made(request, page, panel)[1]
    address = state.link(f"/dashboard/{page.path or 'overview'}/panels/{panel.name}")
    context = {"panel": panel, "address": address}
    return mark_safe(render_to_string("dashboard/waiting.html", context))  # noqa: S308


def _made(request: HttpRequest, page: Page, panel: Panel) -> tuple[int, SafeString]:
    context: dict[str, Any] = {"panel": panel}
    template, status = f"dashboard/panels/{panel.name}.html", 200
    try:
        state = state_of(request)
        context |= {"state": state, **panel.fill(request, state)}
    except Exception as error:
        status, context["error"] = _refusal(error)
        context["address"] = request.get_full_path()
        template = "dashboard/panel_error.html"
    return status, mark_safe(render_to_string(template, context, request))  # noqa: S308


def _refusal(error: Exception) -> tuple[int, str]:
    """The status and the text of what a report refuses. Any other error is raised again."""
    if isinstance(error, NoRoom):
        error = Problem(503, "Too many large answers are being made now. Try again.")
    found = as_problem(error)
    if not isinstance(found, APIException):
        raise error
    return found.status_code, str(found.detail)
