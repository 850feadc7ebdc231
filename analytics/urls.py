"""Routes of the reports."""

from django.urls import path

from analytics.views import DailyActiveUsersView, RetentionView, TopEventsView

urlpatterns = [
    path("dau", DailyActiveUsersView.as_view()),
    path("top-events", TopEventsView.as_view()),
    path("retention", RetentionView.as_view()),
]
