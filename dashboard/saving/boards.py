"""The page of a dashboard, and the panels of the saved views on it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from rest_framework.exceptions import APIException

from dashboard import refusals
from dashboard.models import Dashboard, SavedView
from dashboard.pages import Filled, Page, Panel, frame, made, waiting
from dashboard.saving import showing, store
from dashboard.saving.box import SAVED, address_in, may_edit, project_of
from dashboard.saving.forms import PAGE, Action, number, refusal_of
from dashboard.state import NO_SCRIPT, Choice, State, state_of
from projects.pages import needs
from projects.scopes import READ

_NOTHING = Panel("view", "Saved view", lambda request, state: {})
# Without script one request makes all panels. Those that are not begun by then lead to their pages.
_SECONDS = 30


def show(request: HttpRequest, pages: Sequence[Page], *, pk: int, said: str = "") -> HttpResponse:
    state = _state(request)
    row = _dashboard(request, pk)
    views = store.views_on(row)
    left = SavedView.objects.filter(project=project_of(request)).exclude(pk__in=row.views)
    until = time.monotonic() + _SECONDS
    is_whole = state.given.get("script") == NO_SCRIPT
    context = {
        "state": state,
        "said": said,
        "name": row.name,
        "panels": [
            _whole(request, it, until) if is_whole else _waiting(request, it, state) for it in views
        ],
        "views": [(it.pk, it.name) for it in views],
        "others": left.order_by("name").values_list("pk", "name") if may_edit(request) else [],
        "ranges": _ranges(state),
        "whole": "" if is_whole else state.link(script=NO_SCRIPT),
        "may_edit": may_edit(request),
        "here": state.link(without=("script",), change="yes"),
        "is_changed": "change" in state.given,
        **frame(request, PAGE, pages, state),
    }
    return render(request, "dashboard/saving/board.html", context)


def _state(request: HttpRequest) -> State:
    """Without days in the address, each view has its own."""
    state = state_of(request)
    return state if "range" in state.given else state._replace(range="")


def _ranges(state: State) -> list[Choice]:
    is_own = not any(name in state.given for name in showing.DAYS)
    return [Choice("As saved", state.link(without=showing.DAYS), is_own), *state.ranges()]


def _waiting(request: HttpRequest, view: SavedView, state: State) -> SafeString:
    kept = {"project", "tz", *showing.DAYS}
    address = state.link(f"{SAVED}/views/{view.pk}/panel", without=set(state.given) - kept)
    return waiting(_panel(view), address, _title(request, view, _asked(request, view)))


def _whole(request: HttpRequest, view: SavedView, until: float) -> SafeString:
    """The panel itself, or where it can be had alone if it is later than `until`."""
    if time.monotonic() < until:
        return _made(request, view)[1]
    context = {"panel": _panel(view), "view": _title(request, view, _asked(request, view))}
    return mark_safe(render_to_string("dashboard/saving/alone.html", context))  # noqa: S308


def _made(request: HttpRequest, view: SavedView) -> tuple[int, SafeString]:
    asked = _asked(request, view)
    address = f"{SAVED}/views/{view.pk}/panel?{request.GET.urlencode()}"
    return made(asked, _panel(view), address, view=_title(request, view, asked))


def _asked(request: HttpRequest, view: SavedView) -> HttpRequest:
    return showing.asked_on_a_dashboard(request, showing.page_of(view.page), view.query)


def _panel(view: SavedView) -> Panel:
    """The first panel of the page: what it is about."""
    return replace(showing.page_of(view.page).panels[0], title=view.name, is_wide=False)


def _title(request: HttpRequest, view: SavedView, asked: HttpRequest) -> Filled:
    is_own = not any(name in request.GET for name in showing.DAYS)
    page = showing.page_of(view.page)
    return {
        "name": view.name,
        "about": showing.about(view) if is_own or page.lists_people else page.title,
        "address": f"{page.address}?{asked.GET.urlencode()}",
    }


@needs(GET=READ)
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel of one saved view."""
    try:
        view = store.view(project_of(request), pk)
        status, html = _made(request, view)
    except Exception as error:
        return _told(request, refusal_of(error))
    return HttpResponse(html, status=status)


def _refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
    return refusals.led_on(request, refusal) or _told(request, refusal)


panel.refused = _refused  # type: ignore[attr-defined]
# What refuses it before it is asked says so in a panel too.
panel.panel = _NOTHING  # type: ignore[attr-defined]


def _told(request: HttpRequest, refusal: APIException) -> HttpResponse:
    context: dict[str, Any] = {"panel": _NOTHING, "address": request.get_full_path()}
    html = refusals.refused_panel(request, refusal, context)
    return refusals.told(HttpResponse(html, status=refusal.status_code), refusal)


def _dashboard(request: HttpRequest, pk: int) -> Dashboard:
    return store.dashboard(project_of(request), pk)


def _rename(request: HttpRequest, pk: int) -> str:
    store.rename(_dashboard(request, pk), request.POST.get("name", ""))
    return request.get_full_path()


def _delete(request: HttpRequest, pk: int) -> str:
    _dashboard(request, pk).delete()
    return address_in(request, SAVED)


def _put(request: HttpRequest, pk: int) -> str:
    row = _dashboard(request, pk)
    store.put(row, store.view(project_of(request), number(request, "view")))
    return request.get_full_path()


def _take_off(request: HttpRequest, pk: int) -> str:
    store.take_off(_dashboard(request, pk), number(request, "view"))
    return request.get_full_path()


def _moved(by: int) -> Action:
    def action(request: HttpRequest, pk: int) -> str:
        store.move(_dashboard(request, pk), number(request, "view"), by)
        return request.get_full_path()

    return action


ACTIONS: dict[str, Action] = {
    "rename": _rename,
    "delete": _delete,
    "put": _put,
    "take-off": _take_off,
    "up": _moved(-1),
    "down": _moved(1),
}
