"""Routes of the reports, and of the people behind their numbers."""

from django.urls import path

from analytics.api.people import view_of_people
from analytics.api.reports import all_reports
from analytics.api.view import view_of

urlpatterns = [
    *(path(it.path, view_of(it)) for it in all_reports()),
    *(path(f"{it.path}/users", view_of_people(it, it.people)) for it in all_reports() if it.people),
]
