"""The HTTP endpoints of ingest and of the hot layer."""

from functools import cache
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api import problems
from config.api.problems import Problem
from config.building_blocks import unavailable
from config.memory import room
from config.middleware.rate_limit import client_address
from config.monitoring import metrics
from events.api import arrivals, openapi, pages_openapi, query_parameters, search
from events.format.records import frames, groups
from events.ingest import property_schemas, rejected, rules
from events.ingest.request_body import EventsParser, take_body
from events.ingest.validation import NotJSON, TooManyEvents, Validated, WrongShape, validate
from events.models import Batch
from events.queueing import queue
from events.queueing.backpressure import QueueFull
from events.storing import quota
from events.storing.store import NoProject, Stored, store
from projects import access
from projects.counts import count_events
from projects.of_request import project_of

# Registered by draft-ietf-httpapi-ratelimit-headers.
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


class EventsView(APIView):
    """`/events`: events in by POST, the hot layer out by GET."""

    scopes = {"POST": access.INGEST, "GET": access.READ}
    parser_classes = [EventsParser]

    @openapi.post_events
    def post(self, request: Request) -> HttpResponse:
        project = project_of(request)
        options = query_parameters.ingest_options(request.query_params)
        checked = _validated(request, project)
        if checked.errors and (options.strict or not checked.records):
            return _json(400, _answer(checked, accepted=0, rejected=_received(checked)))
        _take(project, checked)
        if options.wait:
            return _stored(project, checked)
        _put(project, checked)
        return _json(202, _answer(checked, accepted=len(checked.records)))

    @pages_openapi.get_events
    def get(self, request: Request) -> HttpResponse:
        project = project_of(request)
        filters = query_parameters.search_filters(request.query_params)
        try:
            read = search.search if filters.after is None else arrivals.arrivals
            return _json(200, read(project=project, filters=filters))
        except NoProject:
            raise Problem(404, "There is no such project.") from None
        except unavailable.POSTGRESQL:
            raise _unavailable("PostgreSQL can't be reached.") from None


def _take(project: int, checked: Validated) -> None:
    """Count the events to the project's quota: all of them, or Problem 429."""
    try:
        quota.take(project, len(checked.records))
    except quota.QuotaReached as reached:
        raise Problem(
            429,
            f"Nothing was accepted: {reached}.",
            headers={"Retry-After": str(reached.seconds)},
        ) from None


def _put(project: int, checked: Validated) -> None:
    try:
        queue.put(project=project, events=checked.records)
    except (queue.QueueUnavailable, QueueFull) as error:
        # The queue may have the events. But clients send again and again, and each would count.
        quota.add(project, -len(checked.records))
        raise _not_queued(error) from None


def _not_queued(error: queue.QueueUnavailable | QueueFull) -> Problem:
    if isinstance(error, queue.QueueUnavailable):
        return _unavailable("The queue can't be reached; send the events again.")
    return Problem(
        503,
        f"Nothing was accepted: {error}. Send the events again later.",
        title="Temporary Reduced Capacity",
        type=REDUCED_CAPACITY,
        headers={"Retry-After": "10"},
    )


def _validated(request: Request, project: int) -> Validated:
    """Check the events of the body. Refused events, or a refused body, are kept for the admin."""
    body = take_body(request)
    client = client_address(request._request)
    try:
        found = validate(body)
        checked = rules.apply(found, project=project, seconds=property_schemas.REQUEST_SECONDS)
    except property_schemas.Unusable as error:
        raise _unavailable(f"Nothing was accepted: {error}.") from None
    except tuple(_REFUSED_BODIES) as error:
        status, code, what = _REFUSED_BODIES[type(error)]
        rejected.keep_body(
            project=project, body=body, code=code, message=f"{what}: {error}", client=client
        )
        raise Problem(status, f"{what}: {error}.") from None
    metrics.EVENTS_RECEIVED.labels("http").inc(_received(checked))
    count_events(project, received=_received(checked), rejected=len(checked.errors))
    room.need(room.work_bytes(len(body), events=_received(checked)))
    if checked.errors:
        metrics.EVENTS_REJECTED.labels("http").inc(len(checked.errors))
        rejected.keep_events(
            project=project,
            body=body,
            errors=checked.errors,
            client=client,
            readable=found.readable,
        )
    return checked


# For a body that is refused as a whole: status, code and the beginning of the message.
_REFUSED_BODIES: dict[type[Exception], tuple[int, str, str]] = {
    property_schemas.TooSlow: (413, "schema_time", "The body takes too long to check"),
    NotJSON: (400, "json", "The body is not JSON"),
    WrongShape: (400, "shape", 'The body must be {"events": [...]} or an array of events'),
    TooManyEvents: (413, "too_many_events", "The body has too many events"),
}


def _stored(project: int, checked: Validated) -> HttpResponse:
    answer = _answer(checked, accepted=0)
    unsettled = len(checked.records)
    data = [data for data, _ in frames(checked.records)]
    # `store` makes its own records. With a large body, both lists would take too much memory.
    checked.records.clear()
    stored: list[Stored] = []
    try:
        for group in groups(data):
            stored.append(store(project=project, frames=group, source=Batch.Source.REQUEST))
            unsettled -= stored[-1].received
    except NoProject:
        raise Problem(404, "There is no such project.") from None
    except unavailable.POSTGRESQL:
        quota.add(project, -unsettled)
        # PostgreSQL may have gone in the middle of the commit.
        raise _unavailable(
            "PostgreSQL can't be reached, or the connection broke. It is not known whether the "
            "events were stored. Sending them again with the same ids is safe."
        ) from None
    answer["accepted"] = sum(part.stored for part in stored)
    answer["duplicates"] = sum(part.duplicates for part in stored)
    return _json(200, answer)


def accepted(events: int) -> dict[str, Any]:
    """The document that answers a request whose events are all on the queue."""
    return _answer(Validated([], []), accepted=events) | {"received": events}


def answered(status: int, body: bytes, kind: str = "application/json") -> HttpResponse:
    """A response with the headers that DRF gives to those of this endpoint."""
    response = HttpResponse(body, status=status, content_type=kind)
    for name, value in _view().default_response_headers.items():
        response[name] = value
    return response


@cache
def _view() -> EventsView:
    """As it is for any request: its methods are known only then."""
    view = EventsView()
    view.setup(HttpRequest())
    return view


def not_queued(error: queue.QueueUnavailable | QueueFull) -> HttpResponse:
    """What a request gets whose events the queue may not have."""
    problem = _not_queued(error)
    document = problems.body(
        problem.status_code, str(problem.detail), title=problem.title, type=problem.type
    )
    response = answered(problem.status_code, msgspec.json.encode(document), problems.CONTENT_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def _json(status: int, document: dict[str, Any]) -> HttpResponse:
    """A JSON answer, made without DRF's Response and renderer.

    These take ten times as long, which is a tenth of the time of a request with one event.
    """
    body = msgspec.json.encode(document)
    return HttpResponse(body, status=status, content_type="application/json")


def _received(checked: Validated) -> int:
    return len(checked.records) + len(checked.errors)


def _answer(checked: Validated, *, accepted: int, rejected: int | None = None) -> dict[str, Any]:
    return {
        "received": _received(checked),
        "accepted": accepted,
        "rejected": len(checked.errors) if rejected is None else rejected,
        "errors": checked.errors,
    }


def _unavailable(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": "5"})
