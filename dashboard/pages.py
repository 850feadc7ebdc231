"""Pages and their panels as data, and the views that show them.

A panel loads by itself, so that a slow report keeps nothing else waiting. Without script, all
panels are on the page from the beginning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.exceptions import APIException

from dashboard import refusals
from dashboard.files import days_of, drawn, told
from dashboard.header import Link, header_of
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
    """`fill` gives what the template `panels/{name}.html` shows. It raises what reports raise.

    With a `drawing`, `files/{drawing}.svg` draws the same as a file. What it gives as `files` is
    there to download. `scope` is what a reader needs.
    """

    name: str
    title: str
    fill: Fill
    is_wide: bool = False
    drawing: str = ""
    scope: str = READ


@dataclass(frozen=True)
class Page:
    """At `/dashboard/{path}`. `fill` gives what the template `{name}.html` shows.

    `parts` are panels that other panels ask for.
    """

    name: str
    title: str
    path: str
    panels: Sequence[Panel] = ()
    parts: Sequence[Panel] = ()
    fill: Fill = lambda request, state: {}

    @property
    def address(self) -> str:
        return f"/dashboard/{self.path}"

    def address_of(self, panel: Panel) -> str:
        return f"/dashboard/{self.path or 'overview'}/panels/{panel.name}"


def view_of(page: Page, pages: Sequence[Page]) -> Any:
    @needs(GET=READ)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            state = state_of(request)
            context = {
                "state": state,
                "panels": [_shown(request, page, it, state) for it in page.panels],
                "whole": state.link(script=_NO_SCRIPT),
                "printed": [days_of(state), *told(state)],
                **page.fill(request, state),
                **_frame(request, page, pages, state),
            }
        except Exception as error:
            return _error_page(request, page, pages, refusals.known(error))
        return render(request, f"dashboard/{page.name}.html", context)

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        return refusals.led_on(request, refusal) or _error_page(request, page, pages, refusal)

    view.refused = refused  # type: ignore[attr-defined]
    return view


def view_of_file(page: Page, panel: Panel, pages: Sequence[Page]) -> Any:
    """The view of a panel's drawing as a file. A reader without it sees the page that says why."""

    @needs(GET=panel.scope)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            state = state_of(request)
            filled = {"heading": panel.title, **panel.fill(request, state)}
            return drawn(request, f"{page.name}-{panel.name}", panel.drawing, state, filled)
        except Exception as error:
            return _error_page(request, page, pages, refusals.known(error))

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        return refusals.led_on(request, refusal) or _error_page(request, page, pages, refusal)

    view.refused = refused  # type: ignore[attr-defined]
    return view


def view_of_panel(page: Page, panel: Panel) -> Any:
    @needs(GET=panel.scope)
    def view(request: HttpRequest) -> HttpResponse:
        status, html = _made(request, page, panel)
        return HttpResponse(html, status=status)

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        html = _error_panel(request, panel, str(refusal.detail))
        return refusals.led_on(request, refusal) or refusals.told(
            HttpResponse(html, status=refusal.status_code), refusal
        )

    view.refused = refused  # type: ignore[attr-defined]
    return view


def view_of_nothing(pages: Sequence[Page]) -> Any:
    """The view of addresses of no page."""
    page = Page("nothing", "Not found", "")
    refusal = APIException("There is no such page.")
    refusal.status_code = 404

    @needs(GET=READ)
    def view(request: HttpRequest, path: str) -> HttpResponse:
        return _error_page(request, page, pages, refusal)

    return view


def _frame(
    request: HttpRequest, page: Page, pages: Sequence[Page], state: State | None
) -> dict[str, Any]:
    """What stands around the panels of any page."""
    return {
        "page": page,
        "pages": [Link(it.title, _address(it, state), it is page) for it in pages],
        "importing": _importing(state),
        "header": header_of(request, page.address if page in pages else pages[0].address, state),
    }


def _importing(state: State | None) -> str:
    """The address of the page that takes files."""
    given = {} if state is None else state.given
    project = {"project": given["project"]} if "project" in given else {}
    return f"/dashboard/import?{urlencode(project)}"


def _address(page: Page, state: State | None) -> str:
    if state is None:
        return page.address
    kept = {name for name in state.given if name in _KEPT}
    return state.link(page.address, without=set(state.given) - kept)


def _error_page(
    request: HttpRequest, page: Page, pages: Sequence[Page], refusal: APIException
) -> HttpResponse:
    context = {**_frame(request, page, pages, None), "error": str(refusal.detail)}
    answer = render(request, "dashboard/error.html", context, status=refusal.status_code)
    return refusals.told(answer, refusal)


def _shown(request: HttpRequest, page: Page, panel: Panel, state: State) -> SafeString:
    """The panel itself, or a place for it that asks for it."""
    if state.given.get("script") == _NO_SCRIPT:
        return _made(request, page, panel)[1]
    context = {"panel": panel, "address": state.link(page.address_of(panel))}
    return mark_safe(render_to_string("dashboard/waiting.html", context))  # noqa: S308


def _made(request: HttpRequest, page: Page, panel: Panel) -> tuple[int, SafeString]:
    try:
        state = state_of(request)
        address = state.link(page.address_of(panel))
        context = {"panel": panel, "state": state, "address": address, **panel.fill(request, state)}
        if panel.drawing:
            context["drawing"] = state.link(f"{page.address_of(panel)}.svg", without=["script"])
    except Exception as error:
        refusal = refusals.known(error)
        text = str(refusal.detail)
        return refusal.status_code, _error_panel(request, panel, text, page.address_of(panel))
    # A panel may turn out to be another one.
    template = f"dashboard/panels/{context.get('template', panel.name)}.html"
    return 200, mark_safe(render_to_string(template, context, request))  # noqa: S308


def _error_panel(
    request: HttpRequest, panel: Panel, text: str, path: str | None = None
) -> SafeString:
    query = request.META.get("QUERY_STRING", "")
    context = {"panel": panel, "error": text, "address": f"{path or request.path}?{query}"}
    html = render_to_string("dashboard/panel_error.html", context, request)
    return mark_safe(html)  # noqa: S308
