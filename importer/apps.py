"""The app that brings files in."""

from django.apps import AppConfig


class ImporterConfig(AppConfig):
    name = "importer"
