"""What a page shows about saving it: the form, and the names under which it is saved already."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest

from config.building_blocks import unavailable
from dashboard.models import SavedView
from dashboard.saving.store import query_text
from projects.people import Member
from projects.scopes import EDIT, OF_EVERYBODY

SAVED = "/dashboard/saved"
_MOST_NAMES = 3


class Box(NamedTuple):
    """`saved` has the name and the address of each view that shows what the page shows."""

    may_edit: bool
    page: str
    query: str
    action: str
    saved: list[tuple[str, str]]


def box_of(request: HttpRequest, page: str) -> Box:
    query = query_text(request.GET)
    try:
        saved = _saved(request, page, query)
    except unavailable.POSTGRESQL:
        saved = []
    return Box(may_edit(request), page, query, address_in(request, SAVED), saved)


def _saved(request: HttpRequest, page: str, query: str) -> list[tuple[str, str]]:
    of = {"project": project_of(request), "page": page, "query": query}
    rows = SavedView.objects.filter(**of).order_by("name")[:_MOST_NAMES]
    return [(row.name, address_in(request, f"{SAVED}/views/{row.pk}")) for row in rows]


def project_of(request: HttpRequest) -> int:
    """The number of the project that the request is about."""
    return request.project  # type: ignore[attr-defined,no-any-return]


def may_edit(request: HttpRequest) -> bool:
    """Whether who asks may save, change, delete and share, after they were let in to read."""
    who: Any = request.auth  # type: ignore[attr-defined]
    return EDIT in (OF_EVERYBODY if who is None else who.scopes)


def name_of(request: HttpRequest) -> str:
    """The name of the person who asks; empty for a key, and where nobody logs in."""
    who = request.auth  # type: ignore[attr-defined]
    return who.person.get_username() if isinstance(who, Member) else ""


def address_in(request: HttpRequest, path: str) -> str:
    """The path in the project that the address of the request names, if it names one."""
    slug = request.GET.get("project")
    return path if slug is None else f"{path}?{urlencode({'project': slug})}"
