"""The HTTP endpoint of projects."""

from typing import Any

import psycopg
from django import db
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.problems import Problem
from config.api.query_parameters import read
from projects import openapi
from projects.models import Project
from projects.of_request import project_of


class ProjectsView(APIView):
    """`/projects`: the projects that a request may name."""

    # A key of any scope may ask for its own project.
    scopes: dict[str, str] = {}

    @openapi.get_projects
    def get(self, request: Request) -> Response:
        read(request.query_params, {})
        is_one = request.auth is not None or "project" in request.query_params
        chosen = project_of(request) if is_one else None
        try:
            return Response(_listed(chosen))
        except (db.Error, psycopg.Error):
            raise Problem(503, "PostgreSQL can't be reached.") from None


def _listed(chosen: int | None) -> list[dict[str, Any]]:
    rows = Project.objects.filter(deleted_at=None).order_by("pk")
    if chosen is not None:
        rows = rows.filter(pk=chosen)
    return [{"slug": row.slug, "name": row.name} for row in rows]
