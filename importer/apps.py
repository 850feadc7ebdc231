"""The Django app that imports files."""

from django.apps import AppConfig


class ImporterConfig(AppConfig):
    name = "importer"
