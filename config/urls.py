"""Every route of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import health, login_limit
from config.docs import DocsView, DocumentView

# By the app itself every command would load it: config/admin_app.py.
admin.autodiscover()

urlpatterns = [
    path("", include("events.urls")),
    path("stats/", include("analytics.urls")),
    path("imports", include("importer.urls")),
    path("health", health.HealthView.as_view()),
    path("ready", health.ReadyView.as_view()),
    path("openapi.json", DocumentView.as_view(), name="openapi"),
    path("docs", DocsView.as_view()),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/login/", login_limit.limited(admin.site.login)),
    path("admin/", admin.site.urls),
]

handler400 = "config.problems.bad_request"
handler404 = "config.problems.not_found"
handler500 = "config.problems.server_error"
