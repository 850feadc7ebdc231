"""What a saved view shows, as a request for its page, and what it is called."""

from collections.abc import Sequence
from copy import copy
from typing import Any

from django.http import HttpRequest, QueryDict

from dashboard.models import SavedView
from dashboard.pages import Page
from dashboard.saving.box import address_in
from dashboard.saving.persons import asks_about_persons
from dashboard.saving.store import Gone
from dashboard.screens import funnel, overview, people, retention, trends
from dashboard.state import DEFAULT_RANGE, LABELS, state_of

PAGES = {
    page.name: page
    for page in (overview.PAGE, trends.PAGE, funnel.PAGE, retention.PAGE, people.PAGE)
}
DAYS = ("range", "from", "to")


def page_of(name: str) -> Page:
    """The page with this name, if it may have saved views. Raises Gone."""
    page = PAGES.get(name)
    if page is None:
        raise Gone("There is no such page to be saved.")
    return page


def asked_of(request: HttpRequest, page: Page, query: str) -> HttpRequest:
    """The request, as if it asked for this page. Panels make of it what the page would show.

    Days and the zone that its own address names are taken instead of those of the query. But a
    list of people stays that of the days of its number.
    """
    given = QueryDict(query, mutable=True)
    if not page.lists_people:
        _take(request, given, DAYS)
        _take(request, given, ("tz",))
    if "project" in request.GET:
        given["project"] = request.GET["project"]
    return _with(request, given)


def _take(request: HttpRequest, given: QueryDict, names: Sequence[str]) -> None:
    """Take all of these from the request instead, if it names one of them."""
    if any(name in request.GET for name in names):
        for name in names:
            given.pop(name, None)
            if name in request.GET:
                given[name] = request.GET[name]


def asked_on_a_dashboard(request: HttpRequest, page: Page, query: str) -> HttpRequest:
    """The same for one of the panels of a dashboard."""
    asked: Any = asked_of(request, page, query)
    asked.is_on_a_dashboard = True
    return asked  # type: ignore[no-any-return]


def asked_by_stranger(request: HttpRequest, view: SavedView, reader: Any) -> HttpRequest:
    """The request for the page of the view alone: nothing of its own address counts."""
    asked: Any = _with(request, QueryDict(view.query))
    asked.auth, asked.project, asked.is_shared = reader, reader.project, True
    return asked  # type: ignore[no-any-return]


def _with(request: HttpRequest, given: QueryDict) -> HttpRequest:
    asked: Any = copy(request)
    asked.GET = given
    return asked  # type: ignore[no-any-return]


def check(request: HttpRequest, page: Page, query: str) -> None:
    """Raise what the page would raise."""
    asked = asked_of(request, page, query)
    page.fill(asked, state_of(asked))


def address_of(request: HttpRequest, view: SavedView) -> str:
    """Where the page is that the view shows."""
    address = address_in(request, page_of(view.page).address)
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}{view.query}" if view.query else address


def about(view: SavedView) -> str:
    """Such as `Trends, 30 days`, with the zone if the view has its own."""
    page, given = page_of(view.page), QueryDict(view.query)
    if page.lists_people:
        return "People behind a number" if "behind" in given else page.title
    zone = f", {given['tz']}" if "tz" in given else ""
    if "from" in given:
        return f"{page.title}, {given['from']} \u2013 {given.get('to', 'today')}{zone}"
    return f"{page.title}, {LABELS.get(given.get('range', DEFAULT_RANGE), '')}{zone}"


def why_not_shared(view: SavedView) -> str:
    """Why strangers may not see the view; empty if they may. Raises Gone and django.db.Error."""
    if page_of(view.page).lists_people:
        return "It lists people, so it can't be shared."
    try:
        if asks_about_persons(view):
            return "It asks about single people (user_id), so it can't be shared."
    except ValueError as error:
        return f"Its filters can't be read, so it can't be shared: {error}."
    return ""
