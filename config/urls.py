"""Every route of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from config import health, login_limit

# By the app itself every command would load it: config/admin_app.py.
admin.autodiscover()

urlpatterns = [
    path("", include("events.urls")),
    path("stats/", include("analytics.urls")),
    path("imports", include("importer.urls")),
    path("health", health.health),
    path("ready", health.ready),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    # Split: the page's script has an address of its own, as the Content-Security-Policy wants it.
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="openapi")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/login/", login_limit.limited(admin.site.login)),
    path("admin/", admin.site.urls),
]

handler400 = "config.problems.bad_request"
handler404 = "config.problems.not_found"
handler500 = "config.problems.server_error"
