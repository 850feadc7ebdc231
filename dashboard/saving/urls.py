"""Routes of saved views, of dashboards, and of shared links."""

from collections.abc import Sequence

from django.urls import URLPattern, path

from dashboard.pages import Page
from dashboard.saving import boards, shared, views
from dashboard.saving.box import SAVED
from dashboard.saving.forms import view_of

_SAVED = SAVED[1:]


def routes(pages: Sequence[Page]) -> list[URLPattern]:
    """`pages` are those that the navigation shows."""
    one = {**views.ACTIONS, "share": views.share(pages)}
    return [
        path(_SAVED, view_of(pages, views.show_all, views.ACTIONS_OF_ALL)),
        path(f"{_SAVED}/views/<int:pk>", view_of(pages, views.show_one, one)),
        path(f"{_SAVED}/views/<int:pk>/panel", boards.panel),
        path(f"{_SAVED}/<int:pk>", view_of(pages, boards.show, boards.ACTIONS)),
        path("shared/<str:token>", shared.page),
        path("shared/<str:token>/panels/<str:name>", shared.panel),
        path("shared/<path:path>", shared.nothing),
    ]
