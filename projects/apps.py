"""The app that knows who may use the service."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "projects"
