"""The top of a page: the project that is shown, those that could be, and who is logged in."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest
from rest_framework.exceptions import APIException

from config.building_blocks import unavailable
from dashboard.state import State
from projects import people
from projects.authentication import presented
from projects.keyring import Key
from projects.models import Project
from projects.people import Member


class Link(NamedTuple):
    """Somewhere to go: its text, its address, and whether it is where the reader is."""

    text: str
    address: str
    is_here: bool


class _Shown(NamedTuple):
    number: int
    slug: str
    name: str


class Header(NamedTuple):
    """`project` is the name of the project that is shown. `projects` are all that could be.

    `person` is the name of who is logged in, also where everybody may see the page.
    """

    project: str
    projects: list[Link]
    person: str
    may_see_admin: bool


def header_of(
    request: HttpRequest, path: str, state: State | None, *, has_person: bool = True
) -> Header:
    """The header of a page, which has this path in the other projects too.

    It is shown even if PostgreSQL can't be reached. Without `has_person` it does not ask who is
    logged in.
    """
    page: Any = request
    who, number = getattr(page, "auth", None), getattr(page, "project", None)
    member = who.person if isinstance(who, Member) else None
    try:
        projects = _visible(who) if number is not None else []
    except unavailable.POSTGRESQL:
        projects = []
    links = [Link(it.name, _address(path, it, state), it.number == number) for it in projects]
    return Header(
        project=next((it.text for it in links if it.is_here), ""),
        projects=links,
        person=_name(request) if has_person else "",
        may_see_admin=member is None or member.is_staff,
    )


def _name(request: HttpRequest) -> str:
    """Of the person who is logged in; empty with a key, and if PostgreSQL can't say now."""
    try:
        person = people.person_of(request) if presented(request) is None else None
    except APIException:
        return ""
    return person.get_username() if person else ""


def _visible(who: Key | Member | None) -> list[_Shown]:
    """The projects that whoever asks may see, in the order in which these were made."""
    if isinstance(who, Member):
        return [_Shown(it.project, it.slug, it.name) for it in people.members_of(who.person)]
    rows = Project.objects.filter(deleted_at=None).order_by("pk")
    if who is not None:
        rows = rows.filter(pk=who.project)
    return [_Shown(row.pk, str(row.slug), row.name) for row in rows]


def _address(path: str, project: _Shown, state: State | None) -> str:
    """Of the same days. Filters are left out, as another project has other events."""
    kept = {}
    if state is not None:
        kept = {name: state.given[name] for name in ("range", "from", "to") if name in state.given}
    return f"{path}?{urlencode({**kept, 'project': project.slug})}"
