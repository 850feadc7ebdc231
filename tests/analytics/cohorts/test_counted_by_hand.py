"""Every table of cohorts is what counting by hand gives, for histories made up by hypothesis."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import reports
from analytics.cohorts.cohorts import Cohort, cohorts, people
from analytics.cohorts.question import COHORTS, MAX_PERIODS, MODES, UNITS, Question
from analytics.segments.expressions import Segments
from analytics.segments.parsing import parse_segments
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics.cohorts.counted import Asked, Segment, Table, table
from tests.analytics.comparison import deliver
from tests.analytics.histories import (
    ASKED_FOR,
    SEGMENT,
    SPANS,
    ZONE_SPANS,
    Span,
    events,
    made_up,
    zoned_events,
)
from tests.analytics.oracle import Event
from tests.analytics.said import Said
from tests.fixtures import empty_clickhouse

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

LONG: Span = (date(2024, 11, 15), date(2025, 3, 5))
# Half of the questions are answered from the days of users, most of the others from events.
TYPES = st.sampled_from(["event_type:buy", "event_type:view", "event_type:nobody's"])
SOME = st.one_of(st.just(()), st.tuples(TYPES), st.tuples(SEGMENT))


@st.composite
def asked(draw: st.DrawFn, spans: Sequence[Span], zone: str) -> Asked:
    first, last = draw(st.sampled_from(spans))
    start = draw(st.dates(max(date(1970, 1, 1), first - timedelta(days=9)), last))
    # Days of two years take several queries.
    end = start + timedelta(days=draw(st.sampled_from([0, 2, 6, 13, 31, 100, 100, 700])))
    return Asked(
        unit=draw(st.sampled_from(UNITS)),
        cohort=draw(st.sampled_from(COHORTS)),
        mode=draw(st.sampled_from(MODES)),
        start=start,
        end=end,
        today=end + timedelta(days=draw(st.sampled_from([-20, -3, 0, 5, 30, 500]))),
        periods=draw(st.one_of(st.integers(1, 5), st.integers(1, MAX_PERIODS))),
        zone=zone,
        segments=draw(SOME),
        starting=draw(SOME),
        returning=draw(SOME),
    )


def question_of(given: Asked, zone: Zone, project: int) -> Question:
    return Question(
        project=project,
        zone=zone,
        start=given.start,
        end=given.end,
        today=given.today,
        unit=given.unit,  # type: ignore[arg-type]
        cohort=given.cohort,  # type: ignore[arg-type]
        mode=given.mode,  # type: ignore[arg-type]
        periods=given.periods,
        segments=parsed(given.segments),
        starting=parsed(given.starting),
        returning=parsed(given.returning),
    )


def parsed(segments: Sequence[Segment]) -> Segments:
    return parse_segments([it.text if isinstance(it, Said) else it for it in segments])


def sizes(found: Table) -> dict[date, list[int | None]]:
    return {
        first: [None if users is None else len(users) for users in periods]
        for first, periods in found.items()
    }


def shown(found: Sequence[Cohort]) -> dict[date, list[int | None]]:
    return {one.span.first: [period.users for period in one.periods] for one in found}


def assert_as_counted(
    sent: Sequence[Event], given: Asked, zone: Zone, project: int = DEFAULT
) -> None:
    question = question_of(given, zone, project)
    expected = table(sent, given)
    assert shown(cohorts(question)) == sizes(expected), given
    for first, periods in [*expected.items()][:2]:
        for k in {0, given.periods // 2, given.periods}:
            if (users := periods[k]) is not None:
                assert hashes(question, first, k) == hashed(users), (given, first, k)


def hashes(question: Question, cohort: date, period: int) -> list[int]:
    sql, parameters = people(question, cohort=cohort, period=period)
    rows = engine.query(sql, project=question.project, parameters=parameters)
    return sorted(int(one) for (one,) in rows)


def hashed(users: set[str]) -> list[int]:
    sql = "SELECT sipHash64(arrayJoin({users:Array(String)}))"
    return sorted(int(one) for (one,) in engine.query(sql, parameters={"users": [*users]}))


def assert_weeks_are_those_of_retention(given: Asked, zone: Zone, project: int = DEFAULT) -> None:
    if given.today - given.start > timedelta(days=800):
        return
    question = replace(
        question_of(replace(given, starting=(), returning=()), zone, project),
        unit="week",
        cohort="first_ever",
        mode="on",
        # The windows of did(…) end with it.
        end=given.today,
    )
    expected = reports.retention(
        project=project,
        zone=zone,
        start=given.start,
        windows=given.periods,
        today=given.today,
        segments=question.segments,
    )
    found = [
        (one.span.first, one.users, [period.rate for period in one.periods[1:]])
        for one in cohorts(question)
    ]
    assert found == [tuple(one) for one in expected], given


def assert_the_last_day_of_1969_is_before_all(zone: str, project: int) -> None:
    moments = ["1970-01-01T01:00:00Z", "1970-01-02T12:00:00Z", "1970-02-02T12:00:00Z"]
    shared = {"event_type": "buy", "properties": {}}
    sent = [{"occurred_at": it, "user_id": "u1", **shared} for it in moments]
    sent += [{**one, "user_id": "u2"} for one in sent[1:]]
    empty_clickhouse(project=project)
    deliver(sent, blocks=1, project=project)
    start, end, today = date(1970, 1, 1), date(1970, 2, 28), date(1971, 1, 1)
    for unit in UNITS:
        for cohort in COHORTS:
            for starting in ((), ("event_type:buy",)):
                given = Asked(unit, cohort, "on", start, end, today, 3, zone, starting=starting)
                assert_as_counted(sent, given, Zone(zone, lambda: zone), project)


@pytest.mark.parametrize("is_rolled_up", [True, False])
def test_every_table_in_utc_is_what_counting_by_hand_gives(is_rolled_up: bool) -> None:
    zone = Zone("UTC", lambda: "UTC" if is_rolled_up else None)
    spans = [*SPANS, LONG]

    @settings(made_up, max_examples=ASKED_FOR or 4)
    @given(
        sent=st.lists(events(spans), max_size=40),
        questions=st.lists(asked(spans, "UTC"), min_size=1, max_size=4),
    )
    def look(sent: list[Event], questions: list[Asked]) -> None:
        empty_clickhouse(project=DEFAULT)
        deliver(sent, blocks=2, again=True)
        for one in questions:
            assert_as_counted(sent, one, zone)
            assert_weeks_are_those_of_retention(one, zone)

    look()


@pytest.mark.parametrize(("project", "name"), [(it, it) for it in ZONE_SPANS], indirect=["project"])
def test_every_table_in_a_zone_is_what_counting_by_hand_gives(project: int, name: str) -> None:
    spans = ZONE_SPANS[name]
    if name == "America/Sao_Paulo":
        assert_the_last_day_of_1969_is_before_all(name, project)

    @settings(made_up, max_examples=(ASKED_FOR or 6) // 3)
    @given(
        sent=st.lists(zoned_events(name), max_size=40),
        questions=st.lists(asked(spans, name), min_size=1, max_size=3),
    )
    def look(sent: list[Event], questions: list[Asked]) -> None:
        empty_clickhouse(project=project)
        deliver(sent, blocks=2, project=project, again=True)
        for one in questions:
            for zone in (Zone(name, lambda: name), Zone(name)):
                assert_as_counted(sent, one, zone, project)
                assert_weeks_are_those_of_retention(one, zone, project)

    look()
