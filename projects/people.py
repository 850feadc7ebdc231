"""The person who is logged in, and what they are in a project.

A request without the cookie of a session costs nothing here. With one, PostgreSQL is asked each
time, so a change of a role and a deleted person count from the next request on.
"""

from typing import Any, NamedTuple

import psycopg
from django import db
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, QueryDict
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import APIException, NotFound, PermissionDenied
from rest_framework.request import Request

from projects.authentication import Unchecked
from projects.models import DEFAULT, Membership, Project
from projects.of_request import NONE
from projects.scopes import OF_ROLE, Role


class Member(NamedTuple):
    """A person in a project: a member of it, or someone of the staff."""

    person: User
    project: int
    slug: str
    name: str
    role: str

    @property
    def scopes(self) -> frozenset[str]:
        return OF_ROLE[self.role]


class ProjectNotNamed(APIException):
    """The person is a member of several projects, and none of them is the default project."""

    status_code = 400
    default_detail = (
        "Wrong query parameters: project: is missing, and you are a member of several projects. "
        "GET /projects lists them."
    )


class SessionAuthentication(BaseAuthentication):
    """Keeps the person of the session in `request.user`, without looking them up.

    `projects.access` does that if it has to.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        http = request._request
        return (http.user, None) if settings.SESSION_COOKIE_NAME in http.COOKIES else None


def person_of(request: HttpRequest) -> User | None:
    """The active person who is logged in, or None. Raises Unchecked if PostgreSQL can't say now."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    try:
        return request.user if request.user.is_active else None
    except db.DataError:
        # The cookie has a character that PostgreSQL can't represent.
        return None
    except (db.Error, psycopg.Error):
        raise Unchecked from None


def check_csrf(request: HttpRequest) -> None:
    """Raise PermissionDenied if a page of another site may have made the browser send this.

    The API's views are exempt from the check that Django makes, as a key needs no check.
    """
    if getattr(request, "csrf_processing_done", False):
        return
    # The token must be in the header. Django would read the body to look for it there, and the body
    # may be a file of gigabytes.
    request.POST = QueryDict()
    check = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
    check.process_request(request)
    reason = check.process_view(request, None, (), {})  # type: ignore[arg-type]
    if reason:
        raise PermissionDenied(
            f"{reason} Send the value of the cookie {settings.CSRF_COOKIE_NAME} in the header "
            "X-CSRFToken, or send an API key."
        )


def member_of(request: HttpRequest, person: User) -> Member:
    """The person in the project that `?project=` names.

    Without it, this is the default project if they are a member of it, or else their only one. But
    where no key is required it is always the default project, because requests that need no person
    mean that one. Raises NotFound, ProjectNotNamed, and Unchecked if PostgreSQL can't say now.
    """
    try:
        members = members_of(person)
    except (db.Error, psycopg.Error):
        raise Unchecked from None
    slug = request.GET.get("project")
    if slug is not None:
        return named(members, slug)
    default = next((one for one in members if one.project == DEFAULT), None)
    return default or _only(members)


def _only(members: list[Member]) -> Member:
    if not settings.API_KEYS_REQUIRED:
        raise NotFound(NONE)
    if not members:
        raise NotFound("You are a member of no project. An administrator can make you one.")
    if len(members) > 1:
        raise ProjectNotNamed
    return members[0]


def named(members: list[Member], slug: str) -> Member:
    """The one in this project. Raises NotFound, for a project of others as for none."""
    found = next((one for one in members if one.slug == slug), None)
    if found is None:
        raise NotFound(NONE)
    return found


def members_of(person: User) -> list[Member]:
    """The person in each project that they may see, in the order in which these were made."""
    own = Membership.objects.filter(user=person, project=OuterRef("pk")).values("role")
    rows = Project.objects.filter(deleted_at=None).annotate(role=Subquery(own)).order_by("pk")
    return [
        Member(person, row.pk, str(row.slug), row.name, role)
        for row in rows
        if (role := _role(person, row.role)) is not None
    ]


def _role(person: User, of_member: str | None) -> str | None:
    """A superuser is an admin everywhere, and the staff may look everywhere.

    A role that this version does not know counts as none.
    """
    if person.is_superuser:
        return Role.ADMIN
    known = of_member if of_member in OF_ROLE else None
    return known or (Role.VIEWER if person.is_staff else None)
