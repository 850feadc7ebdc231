"""Routes of ingest, of the hot layer, and of what is in both stores."""

from django.urls import path

from events.api.user_events import UserEventsView
from events.api.views import EventsView

urlpatterns = [
    path("events", EventsView.as_view()),
    path("users/<path:user_id>/events", UserEventsView.as_view()),
]
