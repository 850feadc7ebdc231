"""Routes of discovery."""

from django.urls import path

from analytics.discovery.views import EventTypesView, PropertiesView, PropertyValuesView

urlpatterns = [
    path("event-types", EventTypesView.as_view()),
    path("properties", PropertiesView.as_view()),
    path("properties/values", PropertyValuesView.as_view()),
]
