"""The page of the service's own health, which also answers while stores are down.

The staff see it. Where no key is required, so does a browser on the machine of the service, which
may read the same numbers at /metrics. While PostgreSQL can't say who asks, a browser with a session
sees which stores answer, as /ready tells everybody; and no number.
"""

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied

from config.api import problems
from dashboard import refusals
from dashboard.header import Link, header_of
from dashboard.operators import signs
from dashboard.operators.signs import BAD, GOOD, UNKNOWN, WARN, Group
from dashboard.pages import Page
from events.monitoring import exposition, state
from projects import people
from projects.authentication import presented
from projects.pages import open_to_all

PAGE = Page("health", "Health of the service", "health")
# A store that does not answer within these is down, for this page.
_SECONDS = 3.0


def view_of(pages: Sequence[Page], *, is_part: bool = False) -> Any:
    """The view of the page, or of the part of it that is asked for again and again.

    It checks itself who asks, because PostgreSQL may be what hangs.
    """

    @open_to_all
    def view(request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return problems.wrong_method(request, "GET, HEAD")
        try:
            shown = _seen_by(request)
        except APIException as refusal:
            if led := refusals.led_on(request, refusal):
                return led
            told = {**_told([]), "error": str(refusal.detail)}
            return refusals.told(_answer(request, pages, is_part, told, refusal), refusal)
        return _answer(request, pages, is_part, shown)

    return view


def _answer(
    request: HttpRequest,
    pages: Sequence[Page],
    is_part: bool,
    shown: dict[str, Any],
    refusal: APIException | None = None,
) -> HttpResponse:
    # A PostgreSQL that hangs is not asked again: it was asked before a person was refused.
    is_there = shown.get("is_there", isinstance(refusal, PermissionDenied))
    header = header_of(request, pages[0].address, None, has_person=is_there)
    context = {
        **shown,
        "page": PAGE,
        "pages": [Link(it.title, it.address, False) for it in pages],
        # Who was refused here has nothing to do in the admin either.
        "header": header._replace(may_see_admin=refusal is None),
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "python": platform.python_version(),
        "django": django.get_version(),
    }
    template = f"dashboard/{'panels/' if is_part else ''}health.html"
    answer = render(request, template, context, status=refusal.status_code if refusal else 200)
    answer["Cache-Control"] = "no-store"
    return answer


def _seen_by(request: HttpRequest) -> dict[str, Any]:
    """All signs, or only which stores answer. Raises NotAuthenticated and PermissionDenied."""
    if presented(request) is not None:
        raise PermissionDenied("This page is not for API keys.")
    if not settings.API_KEYS_REQUIRED and exposition.may_ask(request.META):
        values = state.values(_SECONDS)
        return {**_told(signs.groups_of(values)), "is_there": values["postgresql"] is not None}
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        raise NotAuthenticated
    values = state.values(_SECONDS)
    if values["postgresql"] is None:
        return {**_told([signs.stores(values)]), "is_unknown": True}
    person = people.person_of(request)
    if person is None:
        raise NotAuthenticated
    if not (person.is_staff or person.is_superuser):
        raise PermissionDenied("This page is for the staff of the service.")
    return {**_told(signs.groups_of(values)), "is_there": True}


def _told(groups: list[Group]) -> dict[str, Any]:
    counts = Counter(sign.state for group in groups for sign in group.signs)
    worst = next((it for it in (BAD, WARN, UNKNOWN) if counts[it]), GOOD)
    return {"groups": groups, "counts": counts, "worst": worst}
