"""Routes of the pages, and of the panels on them."""

from django.urls import path

from dashboard import funnel, live, overview, people, retention, trends
from dashboard.pages import view_of, view_of_panel

PAGES = (
    *(overview.PAGE, trends.PAGE, funnel.PAGE, retention.PAGE),
    *(people.PAGE, live.PAGE),
)
_ALL = (*PAGES, people.PERSON)

urlpatterns = [
    *(path(it.path, view_of(it, PAGES)) for it in _ALL),
    *(
        path(f"{it.path or 'overview'}/panels/{panel.name}", view_of_panel(it, panel))
        for it in _ALL
        for panel in it.panels
    ),
]
