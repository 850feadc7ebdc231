"""Routes of ingest and of the hot layer."""

from django.urls import path

from events.api.views import EventsView

urlpatterns = [path("events", EventsView.as_view())]
