"""The comparison of every report with the oracle, for histories made up or written by hand."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from analytics import reports
from analytics.segments.expressions import Segments
from analytics.segments.parsing import parse_segments
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import oracle
from tests.analytics.oracle import Event
from tests.analytics.said import Said, World
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

# The zone of the default project, of which its rollups hold the days.
OWN = Zone("UTC", lambda: "UTC")
# An expression of each kind of segment, and what it says in Python.
SEGMENTS: dict[str, oracle.Matches] = {
    "event_type:buy": oracle.field_is("event_type", "buy"),
    "event_type:view": oracle.field_is("event_type", "view"),
    "event_type:nobody's": oracle.field_is("event_type", "nobody's"),
    "user_id=u1": oracle.field_is("user_id", "u1"),
    "user_id=u'5": oracle.field_is("user_id", "u'5"),
    "properties.plan:42": oracle.property_is("42", "plan"),
    "properties.plan:7": oracle.property_is("7", "plan"),
    "properties.plan:true": oracle.property_is("true", "plan"),
    "properties.page.section:news": oracle.property_is("news", "page", "section"),
    r"properties.page\.section:news": oracle.property_is("news", "page.section"),
    "properties.nobody:sent": oracle.property_is("sent", "nobody"),
}


class Question(NamedTuple):
    """What all three reports are asked."""

    segments: tuple[str | Said, ...]
    start: date
    end: date
    limit: int
    since: date
    windows: int
    today: date
    # What is asked often may be answered otherwise: ClickHouse compiles an expression that it has
    # evaluated in three queries.
    times: int = 1
    # Of each of these groups, one segment must hold.
    groups: tuple[tuple[Said, ...], ...] = ()


def compare(
    events: Sequence[Event],
    questions: Iterable[Question],
    *,
    blocks: int = 2,
    zones: Sequence[Zone] = (OWN,),
    project: int = DEFAULT,
) -> None:
    """Raises AssertionError where a report on these events is not what the oracle says."""
    empty_clickhouse(project=project)
    deliver(events, blocks=blocks, project=project, again=True)
    for question in questions:
        for zone in zones:
            compare_answers(events, question, zone=zone, project=project)


def deliver(
    events: Sequence[Event], *, blocks: int, project: int = DEFAULT, again: bool = False
) -> None:
    """Into ClickHouse in some blocks, with `again` each of them twice: also after all have come."""
    sent = [event(**one) for one in events]
    parts = [(str(uuid.uuid4()), part) for n in range(blocks) if (part := sent[n::blocks])]
    for token, part in [*parts, *reversed(parts)] if again else parts:
        engine.insert_block(project=project, token=token, body=framed(part))


def compare_answers(
    events: Sequence[Event], question: Question, *, zone: Zone = OWN, project: int = DEFAULT
) -> None:
    """The same, for events that are in ClickHouse."""

    expected = [
        report(matching(events, question, last=last, zone=zone.name))
        for report, last in expected_reports(question, zone=zone.name)
    ]
    for _ in range(question.times):
        assert answers(question, zone=zone, project=project) == expected, question


def matching(events: Sequence[Event], question: Question, *, last: date, zone: str) -> list[Event]:
    """The events that match all segments, in a report whose last day this is."""
    world = World(events, last, zone)

    def holds(segment: str | Said, event: Event) -> bool:
        if isinstance(segment, Said):
            return segment.holds(event, world)
        return SEGMENTS[segment](event)

    return [
        one
        for one in events
        if all(holds(it, one) for it in question.segments)
        and all(any(holds(it, one) for it in group) for group in question.groups)
    ]


def answers(
    question: Question, *, zone: Zone = OWN, project: int = DEFAULT
) -> list[list[tuple[Any, ...]]]:
    _, start, end, limit, since, windows, today, *_ = question
    asked: dict[str, Any] = {
        "project": project,
        "zone": zone,
        "segments": parsed(question),
    }
    days = reports.daily_active_users(start=start, end=end, **asked)
    types = reports.top_events(start=start, end=end, limit=limit, **asked)
    cohorts = reports.retention(start=since, windows=windows, today=today, **asked)
    return [[tuple(row) for row in report] for report in (days, types, cohorts)]


def parsed(question: Question) -> Segments:
    texts = [it.text if isinstance(it, Said) else it for it in question.segments]
    groups = {f"or.{n}": [it.text for it in one] for n, one in enumerate(question.groups, start=1)}
    return parse_segments(texts, groups)


def expected_reports(
    question: Question, *, zone: str = "UTC"
) -> list[tuple[Callable[[Sequence[Event]], list[tuple[Any, ...]]], date]]:
    """Each report by the oracle, a function of the events that count, and its last day."""
    _, start, end, limit, since, windows, today, *_ = question
    return [
        (lambda events: [*oracle.daily_active_users(events, start, end, zone)], end),
        (lambda events: [*oracle.top_events(events, start, end, limit, zone)], end),
        (lambda events: [*oracle.retention(events, since, windows, today, zone)], today),
    ]
