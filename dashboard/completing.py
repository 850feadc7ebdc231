"""Completes the fields of filters: for a list under a field, and for one without script."""

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest, JsonResponse

from analytics.api.reports.funnel import conditions_of, step_of
from analytics.discovery import completing
from analytics.discovery.completing import Offer
from analytics.discovery.looking import Question
from analytics.parameters import zone_asked
from analytics.segments.parsing import is_storable
from config.api import problems
from config.api.query_parameters import problem
from config.memory import room
from dashboard import refusals
from dashboard.state import NO_SCRIPT, State, state_of
from projects.pages import needs
from projects.scopes import READ

# Memory for all offers of one answer: of values from ClickHouse, as objects and as JSON.
_BYTES = 500_000
_PATH = "/dashboard/complete"
# What stays of the address of a page.
_KEPT = ("project", "tz", "range", "from", "to")


def _step(question: Question, text: str) -> list[Offer]:
    """Completes the last of the conditions that a step of a funnel has."""
    *before, last = conditions_of(text)
    return [
        offer._replace(text=step_of([*before, offer.text]))
        for offer in completing.segments(question, last, types_first=True)
    ]


# What a field may have.
_KINDS: dict[str, Callable[[Question, str], list[Offer]]] = {
    "segment": completing.segments,
    "step": _step,
    "field": completing.fields,
}


@needs(GET=READ)
def complete(request: HttpRequest) -> JsonResponse:
    """What the text of a field may become, for the script of the page."""
    try:
        given = request.GET
        offers = _offers(request, state_of(request), given.get("kind", ""), given.get("text", ""))
    except Exception as error:
        refusal = refusals.known(error)
        answer = problems.answer(refusal.status_code, str(refusal.detail))
        refusals.told(answer, refusal)
        return answer
    return JsonResponse({"offers": [offer._asdict() for offer in offers]})


def _offers(request: HttpRequest, state: State, kind: str, text: str) -> list[Offer]:
    if kind not in _KINDS:
        raise problem([{"parameter": "kind", "message": f"must be one of {', '.join(_KINDS)}"}])
    if not is_storable(text):
        return []
    room.need_for_answer(_BYTES)
    project: int = request.project  # type: ignore[attr-defined]
    question = Question(project, zone_asked(project, state.zone), state.start, state.end)
    return _KINDS[kind](question, text)


def completed(request: HttpRequest, state: State, *kinds: str) -> dict[str, Any]:
    """What the template `field.html` needs for fields of these kinds.

    With script they ask at `addresses`. Without it, their lists are in the page.
    """
    addresses = {
        kind: state.link(_PATH, without={*state.given} - {*_KEPT}, kind=kind) for kind in kinds
    }
    return {"addresses": addresses, "lists": _lists(request, state, kinds)}


def _lists(request: HttpRequest, state: State, kinds: Iterable[str]) -> dict[str, list[Offer]]:
    """The page stands without them if ClickHouse has no answer."""
    if state.given.get("script") != NO_SCRIPT:
        return {}
    try:
        return {kind: _offers(request, state, kind, "") for kind in kinds}
    except Exception as error:
        refusals.known(error)
        return {}
