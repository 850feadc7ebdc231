"""Routes of the reports."""

from django.urls import path

from analytics.api.reports import all_reports
from analytics.api.view import view_of

urlpatterns = [path(report.path, view_of(report)) for report in all_reports()]
