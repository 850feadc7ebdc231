"""Histories and questions about them, as hypothesis makes them up.

The events of a history lie in a few short spans, or hardly two of them would share a day, a week
or a user; the questions are about the same spans.
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from analytics.reports import MAX_WINDOWS
from tests.analytics import said
from tests.analytics.comparison import SEGMENTS, Question
from tests.analytics.oracle import Event

# How many to compare; 0 for what a test does by itself.
ASKED_FOR = int(os.environ.get("HISTORIES", "0"))
# Stores take their time, and what fixtures do once a test, these tests do for each history.
made_up = settings(deadline=None, suppress_health_check=list(HealthCheck))

Span: TypeAlias = tuple[date, date]

SPANS: list[Span] = [
    (date(2024, 12, 20), date(2025, 1, 14)),  # a year begins within a week
    (date(2024, 2, 25), date(2024, 3, 10)),  # a leap day
    (date(2023, 12, 10), date(2023, 12, 26)),  # weekly_users begins a row anew on the 18th,
    (date(2021, 6, 28), date(2021, 7, 11)),  # and 128 weeks before
    (date(2020, 12, 24), date(2021, 1, 10)),  # the end of a year of 53 weeks
    (date(1970, 1, 1), date(1970, 1, 18)),  # the first days that there are
]
CLOCKS = st.sampled_from([time(0), time(12, 30), time(23, 59, 59, 999000)])
# Days around which the clock of a zone is changed: by a quarter of an hour, at midnight, by night.
ZONE_SPANS: dict[str, list[Span]] = {
    "Asia/Kathmandu": [
        (date(1985, 12, 29), date(1986, 1, 3)),
        (date(2025, 1, 4), date(2025, 1, 7)),
    ],
    "America/Sao_Paulo": [
        *[(date(2018, 2, 16), date(2018, 2, 19)), (date(2018, 11, 3), date(2018, 11, 5))],
        (date(1969, 12, 31), date(1970, 1, 5)),
    ],
    "Europe/Kyiv": [
        (date(2026, 3, 28), date(2026, 3, 31)),
        (date(2026, 10, 24), date(2026, 10, 26)),
    ],
}
LOCAL_CLOCKS = st.sampled_from(
    [
        *[time(0), time(0, 14, 59), time(0, 30), time(1), time(2, 30), time(3, 30)],
        *[time(12), time(18, 15), time(23, 0), time(23, 45), time(23, 59, 59, 999000)],
    ]
)
# Types and users that differ by little; ties among types are to be broken by bytes.
TYPES = st.sampled_from(["view", "buy", "Buy", "buy 2", "ввод"])
USERS = st.sampled_from(["u1", "u2", "U1", "u1 ", "Олена", "u'5", "u6", "u7"])
SEGMENT = st.one_of(st.sampled_from([*SEGMENTS]), said.segments)
# Half of the questions have no alternatives.
ALTERNATIVES = st.lists(said.segments, min_size=1, max_size=3).map(tuple)


class History(NamedTuple):
    """Events in the order they come, in so many blocks, and what is asked of them."""

    events: list[Event]
    blocks: int
    questions: list[Question]


@st.composite
def histories(draw: st.DrawFn) -> History:
    spans = draw(some_spans)
    fewest = draw(st.sampled_from([0, 0, 10, 25]))
    return History(
        events=draw(st.lists(events(spans), min_size=fewest, max_size=40)),
        blocks=draw(st.integers(1, 3)),
        questions=draw(st.lists(questions(spans), min_size=1, max_size=3)),
    )


some_spans = st.lists(st.sampled_from(SPANS), min_size=1, max_size=3, unique=True)


@st.composite
def zoned_histories(draw: st.DrawFn, zone: str) -> History:
    """Events beside the midnights of a zone and the hours that its clock skips or repeats."""
    return History(
        events=draw(st.lists(zoned_events(zone), min_size=5, max_size=40)),
        blocks=draw(st.integers(1, 3)),
        questions=draw(st.lists(questions(ZONE_SPANS[zone]), min_size=1, max_size=3)),
    )


def zoned_events(zone: str) -> st.SearchStrategy[Event]:
    days = _days(ZONE_SPANS[zone])
    moments = st.builds(_local, days, LOCAL_CLOCKS, st.just(zone), st.sampled_from([0, 1]))
    return _at(moments.filter(_is_storable))


def _local(day: date, clock: time, zone: str, fold: int) -> str:
    moment = datetime.combine(day, clock, ZoneInfo(zone)).replace(fold=fold)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _is_storable(moment: str) -> bool:
    return moment >= "1970"


def _days(spans: Sequence[Span]) -> st.SearchStrategy[date]:
    return st.one_of([st.dates(*span) for span in spans])


def events(spans: Sequence[Span]) -> st.SearchStrategy[Event]:
    """In no order: what comes late is what comes behind a later one."""
    return _at(st.builds(_moment, _days(spans), CLOCKS))


def _at(moments: st.SearchStrategy[str]) -> st.SearchStrategy[Event]:
    return st.fixed_dictionaries(
        {
            "occurred_at": moments,
            "user_id": USERS,
            "event_type": TYPES,
            "properties": said.PROPERTIES,
        }
    )


def _moment(day: date, clock: time) -> str:
    return datetime.combine(day, clock, UTC).isoformat(timespec="milliseconds")


def questions(spans: Sequence[Span]) -> st.SearchStrategy[Question]:
    """Also about days and cohorts beside all events, windows past today, and a today long past."""
    return st.builds(
        _question,
        segments=st.lists(SEGMENT, max_size=3).map(tuple),
        groups=st.lists(ALTERNATIVES, max_size=2).map(tuple),
        start=_around(spans),
        length=st.one_of(st.integers(0, 30), st.sampled_from([0, 366, 800])),
        limit=st.integers(1, 6),
        since=_around(spans),
        windows=st.one_of(st.integers(1, 5), st.integers(1, MAX_WINDOWS)),
        today=_around(spans),
        later=st.sampled_from([-10, 0, 0, 10, 500]),
        # Decades of cohorts take dozens of queries.
        reach=st.sampled_from([260] * 9 + [3_000]),
        times=st.sampled_from([1] * 9 + [5]),
    )


def _around(spans: Sequence[Span]) -> st.SearchStrategy[date]:
    week = timedelta(days=7)
    return st.one_of(
        [st.dates(max(date(1970, 1, 1), first - week), last + week) for first, last in spans]
    )


def _question(
    *,
    segments: tuple[str | said.Said, ...],
    groups: tuple[tuple[said.Said, ...], ...],
    start: date,
    length: int,
    limit: int,
    since: date,
    windows: int,
    today: date,
    later: int,
    reach: int,
    times: int,
) -> Question:
    end, today = start + timedelta(days=length), max(since, today) + timedelta(days=later)
    since = max(since, today - timedelta(weeks=reach))
    return Question(segments, start, end, limit, since, windows, today, times, groups)
