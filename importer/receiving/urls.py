"""Routes of imports by HTTP."""

from django.urls import path

from importer.receiving.views import ImportsView, ImportView, RejectedRowsView

urlpatterns = [
    path("", ImportsView.as_view()),
    path("/<uuid:pk>", ImportView.as_view(), name="import"),
    path("/<uuid:pk>/rejected", RejectedRowsView.as_view(), name="import-rejected"),
]
