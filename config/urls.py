"""Every route of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.api.docs import DocsView, DocumentView
from config.middleware import login_limit
from events.monitoring import health

# Here and not in the app: there, every command would load the pages (config/admin/site.py).
admin.autodiscover()
admin.site.site_header = "Events Analytics"
admin.site.site_title = "Events Analytics"
# Its lists need the room.
admin.site.enable_nav_sidebar = False
admin.site.index_title = "Data of the service"

urlpatterns = [
    # Django tries them in this order, and nothing is requested as often as /events.
    path("", include("events.api.urls")),
    path("", include("dashboard.urls")),
    path("stats/", include("analytics.urls")),
    path("segments", include("analytics.segments.urls")),
    path("", include("analytics.discovery.urls")),
    path("", include("analytics.people.urls")),
    path("", include("projects.urls")),
    path("imports", include("importer.receiving.urls")),
    path("health", health.HealthView.as_view()),
    path("ready", health.ReadyView.as_view()),
    path("openapi.json", DocumentView.as_view(), name="openapi"),
    path("docs", DocsView.as_view()),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/login/", login_limit.limited(admin.site.login)),
    path("admin/", admin.site.urls),
]

handler400 = "dashboard.failing.misunderstood"
handler404 = "config.api.problems.not_found"
handler500 = "dashboard.failing.failed"
