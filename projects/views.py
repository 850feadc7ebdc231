"""The HTTP endpoint of projects."""

from typing import Any

import psycopg
from django import db
from django.contrib.auth.models import User
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.problems import Problem
from config.api.query_parameters import read
from projects import access, openapi, people
from projects.models import Project
from projects.of_request import project_of


class ProjectsView(APIView):
    """`/projects`: the projects that a request may name."""

    scopes = {"GET": access.ANY}

    @openapi.get_projects
    def get(self, request: Request) -> Response:
        read(request.query_params, {})
        try:
            person = access.person_who_asks(request)
            return Response(_of_person(request, person) if person else _listed(request))
        except (db.Error, psycopg.Error):
            raise Problem(503, "PostgreSQL can't be reached.") from None


def _of_person(request: Request, person: User) -> list[dict[str, Any]]:
    members, slug = people.members_of(person), request.query_params.get("project")
    if slug is not None:
        members = [people.named(members, slug)]
    return [{"slug": one.slug, "name": one.name, "role": one.role} for one in members]


def _listed(request: Request) -> list[dict[str, Any]]:
    rows = Project.objects.filter(deleted_at=None).order_by("pk")
    if request.auth is not None or "project" in request.query_params:
        rows = rows.filter(pk=project_of(request))
    return [{"slug": row.slug, "name": row.name} for row in rows]
