"""The page of all saved views and dashboards, and that of one saved view."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from structlog import get_logger

from dashboard import numbers
from dashboard.models import Dashboard, SavedView
from dashboard.pages import Page, frame
from dashboard.saving import links, showing, store
from dashboard.saving.box import SAVED, address_in, may_edit, name_of, project_of
from dashboard.saving.forms import PAGE, Action, number
from dashboard.saving.store import NotSaved
from dashboard.state import State, state_of

log = get_logger(__name__)


def show_all(request: HttpRequest, pages: Sequence[Page], *, said: str = "") -> HttpResponse:
    state = state_of(request)
    project = project_of(request)
    views = SavedView.objects.filter(project=project, page__in=showing.PAGES).order_by("name")
    context = {
        **_around(request, pages, state, said),
        "views": [_told(request, row, state) for row in views],
        "dashboards": [
            (row.name, address_in(request, f"{SAVED}/{row.pk}"), len(row.views))
            for row in Dashboard.objects.filter(project=project).order_by("name")
        ],
        "again": request.POST if "query" in request.POST else None,
        "here": address_in(request, SAVED),
    }
    return render(request, "dashboard/saving/all.html", context)


def show_one(
    request: HttpRequest,
    pages: Sequence[Page],
    *,
    pk: int,
    said: str = "",
    link: tuple[str, str] | None = None,
) -> HttpResponse:
    """`link` is the address of a new shared link, and its end."""
    state = state_of(request)
    row = _view(request, pk)
    dashboards = list(Dashboard.objects.filter(project=project_of(request)).order_by("name"))
    context = {
        **_around(request, pages, state, said),
        **_told(request, row, state),
        "on": [
            (it.pk, it.name, address_in(request, f"{SAVED}/{it.pk}"))
            for it in dashboards
            if pk in it.views
        ],
        "others": [(it.pk, it.name) for it in dashboards if pk not in it.views],
        "not_shared": showing.why_not_shared(row),
        "days": links.DAYS.items(),
        "link": link,
        "here": address_in(request, f"{SAVED}/views/{pk}"),
    }
    return render(request, "dashboard/saving/one.html", context)


def _around(request: HttpRequest, pages: Sequence[Page], state: State, said: str) -> dict[str, Any]:
    return {
        "state": state,
        "said": said,
        "may_edit": may_edit(request),
        **frame(request, PAGE, pages, state),
    }


def _told(request: HttpRequest, row: SavedView, state: State) -> dict[str, Any]:
    zone = ZoneInfo(state.zone)
    return {
        "name": row.name,
        "about": showing.about(row),
        "open": showing.address_of(request, row),
        "change": address_in(request, f"{SAVED}/views/{row.pk}"),
        "by": row.saved_by,
        "at": numbers.moment(row.saved_at, zone),
        "shared": numbers.moment(row.links_end, zone) if row.links_end else "",
    }


def _view(request: HttpRequest, pk: int) -> SavedView:
    return store.view(project_of(request), pk)


def _save(request: HttpRequest) -> str:
    return showing.address_of(request, _saved(request))


def _save_to_share(request: HttpRequest) -> str:
    return f"{address_in(request, f'{SAVED}/views/{_saved(request).pk}')}#share"


def _saved(request: HttpRequest) -> SavedView:
    page, given = showing.page_of(request.POST.get("page", "")), request.POST.get("query", "")
    if len(given) > store.MAX_QUERY:
        raise NotSaved(store.TOO_LONG)
    query = store.query_text(QueryDict(given))
    showing.check(request, page, query)
    return store.save_view(
        project=project_of(request),
        name=request.POST.get("name", ""),
        page=page.name,
        query=query,
        by=name_of(request),
    )


def _make(request: HttpRequest) -> str:
    made = store.make_dashboard(project=project_of(request), name=request.POST.get("name", ""))
    return address_in(request, f"{SAVED}/{made.pk}")


def _rename(request: HttpRequest, pk: int) -> str:
    store.rename(_view(request, pk), request.POST.get("name", ""))
    return request.get_full_path()


def _delete(request: HttpRequest, pk: int) -> str:
    store.delete_view(_view(request, pk))
    return address_in(request, SAVED)


def _put(request: HttpRequest, pk: int) -> str:
    row = _view(request, pk)
    store.put(store.dashboard(project_of(request), number(request, "dashboard")), row)
    return request.get_full_path()


def _take_off(request: HttpRequest, pk: int) -> str:
    row = _view(request, pk)
    store.take_off(store.dashboard(project_of(request), number(request, "dashboard")), row.pk)
    return request.get_full_path()


def _end_links(request: HttpRequest, pk: int) -> str:
    links.end_all(_view(request, pk))
    return request.get_full_path()


def share(pages: Sequence[Page]) -> Action:
    """Makes a link and shows it, once."""

    def action(request: HttpRequest, pk: int) -> HttpResponse:
        row, days = _view(request, pk), request.POST.get("days", "")
        if reason := showing.why_not_shared(row):
            raise NotSaved(reason)
        if days not in links.DAYS:
            raise NotSaved("A link ends after 1, 7, 30 or 90 days.")
        token, end = links.share(row, days=int(days))
        # Without the link: whoever reads the log must not see the view by that.
        log.info("view_shared", view=pk, until=end.isoformat(), by=name_of(request))
        address = request.build_absolute_uri(f"/shared/{token}")
        zone = ZoneInfo(state_of(request).zone)
        answer = show_one(request, pages, pk=pk, link=(address, numbers.moment(end, zone)))
        # The link is shown only now, and no cache of a browser should keep it.
        answer["Cache-Control"] = "no-store"
        return answer

    return action


ACTIONS_OF_ALL: dict[str, Action] = {
    "save": _save,
    "save-to-share": _save_to_share,
    "make": _make,
}
ACTIONS: dict[str, Action] = {
    "rename": _rename,
    "delete": _delete,
    "put": _put,
    "take-off": _take_off,
    "end-links": _end_links,
}
