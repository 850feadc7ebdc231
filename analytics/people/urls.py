"""Routes of people."""

from django.urls import path

from analytics.people.views import PeopleView, PersonView

# An id may have slashes. `events.api.urls`, which comes first, has the addresses that end in
# /events.
urlpatterns = [
    path("users", PeopleView.as_view()),
    path("users/<path:user_id>", PersonView.as_view()),
]
