"""Pages and their panels as data, and the views that show them.

A panel loads by itself, so that a slow report keeps nothing else waiting. Without script, all
panels are on the page from the beginning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.exceptions import APIException

from dashboard import refusals, wording
from dashboard.files import days_of, drawn, told
from dashboard.header import Link, header_of
from dashboard.saving.box import box_of
from dashboard.state import NO_SCRIPT, OF_DAYS, State, state_of
from projects.pages import needs
from projects.scopes import ADMIN, READ

Filled = Mapping[str, Any]
Fill = Callable[[HttpRequest, State], Filled]
# Does what a form asks for. It answers, or says what the page shows besides, such as faults; a
# `template` among it is shown instead of the page, and `status` is that of the answer.
Change = Callable[[HttpRequest, State], HttpResponseBase | Filled]
# What stays in the address from page to page.
_KEPT = ("project", "range", "from", "to", "tz", "segment")


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

    `parts` are panels that other panels ask for. A page may have saved views, and these may be
    shared unless it lists people. `change` is what its forms do, which are for admins of the
    project. What a page does that `needs_script`, it says without script how to do elsewhere.
    `asks` gives the query of its report, or what the queries of its reports have alike.
    """

    name: str
    title: str
    path: str
    panels: Sequence[Panel] = ()
    parts: Sequence[Panel] = ()
    fill: Fill = lambda request, state: {}
    has_views: bool = False
    lists_people: bool = False
    change: Change | None = None
    needs_script: bool = False
    asks: Callable[[State], QueryDict] = lambda state: QueryDict()

    @property
    def has_script(self) -> bool:
        """Whether it shows something else in a browser that runs no script."""
        return bool(self.panels) or self.needs_script

    @property
    def address(self) -> str:
        return f"/dashboard/{self.path}"

    def address_of(self, panel: Panel) -> str:
        return f"/dashboard/{self.path or 'overview'}/panels/{panel.name}"


def view_of(page: Page, pages: Sequence[Page]) -> Any:
    @needs(GET=READ, **({"POST": ADMIN} if page.change else {}))
    def view(request: HttpRequest) -> HttpResponseBase:
        try:
            state = state_of(request)
            done = page.change(request, state) if page.change and request.method == "POST" else {}
            if isinstance(done, HttpResponseBase):
                return done
            context = {
                **_content(request, page, state, done),
                **frame(request, page, pages, state),
            }
        except Exception as error:
            return error_page(request, page, pages, refusals.known(error))
        template = f"dashboard/{context.get('template', page.name)}.html"
        answer = render(request, template, context, status=context.get("status"))
        if page.change:
            answer["Cache-Control"] = "no-store"
        return answer

    view.refused = _refused_by(page, pages)  # type: ignore[attr-defined]
    return view


def view_of_file(page: Page, panel: Panel, pages: Sequence[Page]) -> Any:
    """The view of a panel's drawing as a file. A reader without it sees the page that says why."""

    @needs(GET=panel.scope)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            state = state_of(request)
            filled = {"heading": panel.title, **panel.fill(request, state)}
            name, query = f"{page.name}-{panel.name}", page.asks(state)
            return drawn(request, name, panel.drawing, state, query, filled)
        except Exception as error:
            return error_page(request, page, pages, refusals.known(error))

    view.refused = _refused_by(page, pages)  # type: ignore[attr-defined]
    return view


def _refused_by(page: Page, pages: Sequence[Page]) -> Any:
    """What the page answers to who may not see it."""

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        return refusals.led_on(request, refusal) or error_page(request, page, pages, refusal)

    return refused


def view_of_panel(page: Page, panel: Panel) -> Any:
    @needs(GET=panel.scope)
    def view(request: HttpRequest) -> HttpResponse:
        status, html = _made(request, page, panel)
        return HttpResponse(html, status=status)

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        context = {"panel": panel, "address": request.get_full_path()}
        html = refusals.refused_panel(request, refusal, context)
        return refusals.led_on(request, refusal) or refusals.told(
            HttpResponse(html, status=refusal.status_code), refusal
        )

    view.refused = refused  # type: ignore[attr-defined]
    view.panel = panel  # type: ignore[attr-defined]
    return view


def view_of_nothing(pages: Sequence[Page]) -> Any:
    """The view of addresses of no page."""
    page = Page("nothing", "Not found", "")
    refusal = APIException("There is no such page.")
    refusal.status_code = 404

    @needs(GET=READ)
    def view(request: HttpRequest, path: str) -> HttpResponse:
        return error_page(request, page, pages, refusal)

    return view


def _content(request: HttpRequest, page: Page, state: State, done: Filled) -> dict[str, Any]:
    """What the template of the page shows. `whole` is where a browser without script goes on."""
    if "template" in done:
        return {"state": state, **done}
    # The answer to a form must not be left for another page.
    is_whole = request.method == "POST" or state.given.get("script") == NO_SCRIPT
    return {
        "state": state,
        "panels": [_shown(request, page, it, state, is_whole) for it in page.panels],
        "whole": state.link(script=NO_SCRIPT) if page.has_script and not is_whole else "",
        "save": box_of(request, page.name) if page.has_views else None,
        "printed": [days_of(state), *told(state, page.asks(state))],
        **page.fill(request, state),
        **done,
    }


def frame(
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
    return f"/dashboard/import?{urlencode(state.of_project if state else {})}"


def _address(page: Page, state: State | None) -> str:
    if state is None:
        return page.address
    kept = {name for name in state.given if name in _KEPT}
    return state.link(page.address, without=set(state.given) - kept)


def error_page(
    request: HttpRequest, page: Page, pages: Sequence[Page], refusal: APIException
) -> HttpResponse:
    """A page that says why there is no other one."""
    context = {
        **frame(request, page, pages, None),
        "error": wording.said(request, refusal, page.name),
        "back": _without_days(request, refusal),
        "again": _again(request, refusal),
    }
    answer = render(request, "dashboard/error.html", context, status=refusal.status_code)
    return refusals.told(answer, refusal)


def _again(request: HttpRequest, refusal: APIException) -> str:
    """Where to try again if that may help. A link can't send a form again."""
    is_read = request.method in ("GET", "HEAD")
    return request.get_full_path() if is_read and wording.may_pass(refusal) else ""


def _without_days(request: HttpRequest, refusal: APIException) -> str:
    """Where other days can be chosen, if the days were refused: all else of the address stays."""
    wrong = {error.get("parameter") for error in getattr(refusal, "errors", None) or ()}
    if not wrong & {*OF_DAYS}:
        return ""
    kept = request.GET.copy()
    for name in OF_DAYS:
        kept.pop(name, None)
    return f"{request.path}?{kept.urlencode()}"


def _shown(
    request: HttpRequest, page: Page, panel: Panel, state: State, is_whole: bool
) -> SafeString:
    """The panel itself, or a place for it that asks for it."""
    if is_whole:
        return _made(request, page, panel)[1]
    return waiting(panel, state.link(page.address_of(panel)))


def waiting(panel: Panel, address: str, view: Filled | None = None) -> SafeString:
    """A place for the panel, which asks for it at this address."""
    context = {"panel": panel, "address": address, "view": view}
    return mark_safe(render_to_string("dashboard/waiting.html", context))  # noqa: S308


def _made(request: HttpRequest, page: Page, panel: Panel) -> tuple[int, SafeString]:
    address = page.address_of(panel)
    asked = request.GET.copy()
    asked.pop("script", None)
    drawing = f"{address}.svg?{asked.urlencode()}" if panel.drawing else ""
    return made(request, panel, f"{address}?{request.GET.urlencode()}", drawing=drawing)


def made(
    request: HttpRequest,
    panel: Panel,
    address: str,
    *,
    view: Filled | None = None,
    drawing: str = "",
) -> tuple[int, SafeString]:
    """The status and the HTML of a panel, or of one that says why it can't be had.

    It can be asked for again at `address`. `view` is the saved view that it is of, if it is of one.
    `drawing` is the address of its chart as a file.
    """
    context: dict[str, Any] = {
        "panel": panel,
        "address": address,
        "view": view,
        "drawing": drawing,
    }
    try:
        state = state_of(request)
        context |= {"state": state, **panel.fill(request, state)}
        if state.is_shared:
            context.pop("files", None)
    except Exception as error:
        is_shared = getattr(request, "is_shared", False)
        refusal = refusals.known_to_strangers(error) if is_shared else refusals.known(error)
        return refusal.status_code, refusals.refused_panel(request, refusal, context)
    # A panel may turn out to be another one.
    template = f"dashboard/panels/{context.get('template', panel.name)}.html"
    return 200, mark_safe(render_to_string(template, context, request))  # noqa: S308
