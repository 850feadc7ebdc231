"""The page of the service's own health, which also answers while stores are down.

The staff see it. Where no key is required, so does a browser on the machine of the service, which
may read the same numbers at /metrics. While PostgreSQL can't say who asks, everybody sees which
stores answer, as /ready tells everybody; and no number.
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

from dashboard import refusals
from dashboard.header import Link, header_of
from dashboard.operators import signs
from dashboard.operators.signs import BAD, GOOD, UNKNOWN, WARN, Group
from dashboard.pages import Page
from events.monitoring import exposition, state
from projects import people
from projects.access import ANY
from projects.authentication import Unchecked
from projects.pages import needs

PAGE = Page("health", "Health of the service", "health")
_SECONDS = 3.0
# For when it is already known that PostgreSQL is down.
_FEWER_SECONDS = 1.0


def view_of(pages: Sequence[Page], *, is_part: bool = False) -> Any:
    """The view of the page, or of the part of it that is asked for again and again."""

    @needs(GET=ANY)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            _require_operator(request)
        except APIException as refusal:
            return refused(request, refusal)  # type: ignore[return-value]
        return answer(request, signs.groups_of(state.values(_SECONDS)))

    def refused(request: HttpRequest, refusal: APIException) -> HttpResponseBase:
        if isinstance(refusal, Unchecked):
            return answer(request, [signs.stores(state.values(_FEWER_SECONDS))], is_known=False)
        if led := refusals.led_on(request, refusal):
            return led
        return refusals.told(answer(request, [], str(refusal.detail), refusal.status_code), refusal)

    def answer(
        request: HttpRequest,
        groups: list[Group],
        error: str = "",
        status: int = 200,
        is_known: bool = True,
    ) -> HttpResponse:
        context = {
            **_told(groups),
            "error": error,
            "is_known": is_known,
            "page": PAGE,
            "pages": [Link(it.title, it.address, False) for it in pages],
            "header": header_of(request, pages[0].address, None),
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        template = f"dashboard/{'panels/' if is_part else ''}health.html"
        made = render(request, template, context, status=status)
        made["Cache-Control"] = "no-store"
        return made

    view.refused = refused  # type: ignore[attr-defined]
    return view


def _require_operator(request: HttpRequest) -> None:
    """Raises NotAuthenticated, PermissionDenied, and Unchecked if PostgreSQL can't say who asks."""
    if getattr(request, "auth", None) is not None:
        raise PermissionDenied("This page is not for API keys.")
    if not settings.API_KEYS_REQUIRED and exposition.may_ask(request.META):
        return
    person = people.person_of(request)
    if person is None:
        raise NotAuthenticated
    if not (person.is_staff or person.is_superuser):
        raise PermissionDenied("This page is for the staff of the service.")


def _told(groups: list[Group]) -> dict[str, Any]:
    counts = Counter(sign.state for group in groups for sign in group.signs)
    worst = next((it for it in (BAD, WARN, UNKNOWN) if counts[it]), GOOD)
    return {"groups": groups, "counts": counts, "worst": worst}
