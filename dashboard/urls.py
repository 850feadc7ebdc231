"""Routes of the pages, of the panels on them, and of the ways in and out."""

from django.urls import path
from django.views.generic import RedirectView

from config.middleware import login_limit
from dashboard import entry
from dashboard.completing import complete
from dashboard.operators import screen as health
from dashboard.pages import view_of, view_of_file, view_of_nothing, view_of_panel
from dashboard.saving import forms
from dashboard.saving.urls import routes
from dashboard.screens import funnel, importing, live, overview, people, retention, trends
from dashboard.settings import screen as settings
from projects.pages import open_to_all

PAGES = (
    *(overview.PAGE, trends.PAGE, funnel.PAGE, retention.PAGE),
    *(people.PAGE, live.PAGE, forms.PAGE, settings.PAGE),
)
_ALL = (*(it for it in PAGES if it is not forms.PAGE), people.PERSON, importing.PAGE)

urlpatterns = [
    path("", entry.home),
    path("login", open_to_all(login_limit.limited(entry.log_in, entry.too_many))),
    path("logout", entry.log_out),
    path("dashboard", open_to_all(RedirectView.as_view(url="/dashboard/", query_string=True))),
    *(path(it.address[1:], view_of(it, PAGES)) for it in _ALL),
    *(
        path(it.address_of(panel)[1:], view_of_panel(it, panel))
        for it in _ALL
        for panel in (*it.panels, *it.parts)
    ),
    *routes(PAGES),
    path("dashboard/health", health.view_of(PAGES)),
    path("dashboard/health/panels/health", health.view_of(PAGES, is_part=True)),
    *(
        path(f"{it.address_of(panel)[1:]}.svg", view_of_file(it, panel, PAGES))
        for it in _ALL
        for panel in it.panels
        if panel.drawing
    ),
    path("dashboard/complete", complete),
    path("dashboard/<path:path>", view_of_nothing(PAGES)),
]
