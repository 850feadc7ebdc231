"""Routes of saved segments."""

from django.urls import path

from analytics.segments.views import SavedSegmentsView, SavedSegmentView

urlpatterns = [
    path("", SavedSegmentsView.as_view()),
    path("/<int:pk>", SavedSegmentView.as_view()),
]
