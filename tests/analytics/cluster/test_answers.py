"""Every report of two shards says what the oracle says, and lists who one server would list."""

import random
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import reports
from analytics.people import timeline
from analytics.segments import columns
from analytics.segments.expressions import Segments
from analytics.segments.parsing import parse_field, parse_segments
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics import clustered, written
from tests.analytics.cluster.came import CAME, DAY
from tests.analytics.cohorts import test_counted_by_hand as by_hand
from tests.analytics.cohorts.counted import Asked
from tests.analytics.comparison import OWN, Question, compare_answers, deliver
from tests.analytics.funnels import test_counted_by_hand as funnels
from tests.analytics.histories import ASKED_FOR, SPANS, History, events, histories, made_up
from tests.analytics.oracle import Event
from tests.analytics.people import test_counted_by_hand as people
from tests.analytics.property_columns import asked, sped_up
from tests.embedded.gateway import Gateway
from tests.fixtures import empty_clickhouse


def compare(gateway: Gateway, history: History) -> None:
    have(gateway, history)
    compare_what_is_there(gateway, history)


def have(gateway: Gateway, history: History) -> None:
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(history.events, blocks=history.blocks, again=True)


def compare_what_is_there(gateway: Gateway, history: History, **how: dict[str, str]) -> None:
    with clustered.spread(gateway, **how):
        for question in history.questions:
            compare_answers(history.events, question)


@pytest.mark.parametrize("name", ["WEEKS", "DAYS", "HALVES", "LAST_BIT", "YEARS_APART", "NOTHING"])
def test_two_shards_answer_a_written_history_as_counted_by_hand(
    gateway: Gateway, name: str
) -> None:
    history = getattr(written, name)
    # That ClickHouse compiles what it is asked often is seen in one way to ask.
    first, *others = history.questions
    compare(gateway, history._replace(questions=[first, *(it._replace(times=1) for it in others)]))


@settings(made_up, max_examples=(ASKED_FOR or 20) // 4)
@given(history=histories())
def test_two_shards_answer_any_history_as_the_oracle_does(
    gateway: Gateway, history: History
) -> None:
    compare(gateway, history)


@settings(made_up, max_examples=(ASKED_FOR or 8) // 4)
@given(
    sent=st.lists(events(SPANS), min_size=10, max_size=40),
    questions=st.lists(by_hand.asked(SPANS, "UTC"), min_size=2, max_size=4),
)
def test_two_shards_answer_any_table_of_cohorts_as_sets_do(
    gateway: Gateway, sent: list[Event], questions: list[Asked]
) -> None:
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(sent, blocks=2, again=True)
    with clustered.spread(gateway):
        for question in questions:
            for zone in (OWN, Zone("UTC")):
                by_hand.assert_as_counted(sent, question, zone)


def test_two_shards_answer_funnels_and_list_their_people_as_one_does(gateway: Gateway) -> None:
    rng = random.Random(5)
    events = list(funnels.history(rng, 60))
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        deliver(events, blocks=2, again=True)
    with clustered.spread(gateway):
        question, asked, chosen = funnels.any_question(rng, "ordered", events)
        question = replace(question, by=parse_field("properties.plan"), top=1)
        funnels.compare(rng, question, asked, chosen, every_line=True)


def test_rows_that_both_shards_have_are_noticed(gateway: Gateway) -> None:
    have(gateway, written.WEEKS)
    for table in ("daily_users", "weekly_users", "events", "daily_events"):
        others = {key: it for key, it in clustered.APART.items() if key != f"stored.{table}_local"}
        with pytest.raises(AssertionError, match=r"assert .* == "):
            compare_what_is_there(gateway, written.WEEKS, filters=others)


def test_users_that_are_spread_over_shards_are_noticed(gateway: Gateway) -> None:
    """Which is what sharding by user is for."""
    rows = {"stored.weekly_users_local": "shardNum() = 1 + epoch % 2"}
    have(gateway, written.YEARS_APART)
    with pytest.raises(AssertionError, match=r"assert .* == "):
        compare_what_is_there(gateway, written.YEARS_APART, filters={**clustered.APART, **rows})


def test_a_segment_on_a_user_asks_that_users_shard_alone(gateway: Gateway, stored: None) -> None:
    deliver(CAME, blocks=1)
    sql = "SELECT count() FROM events WHERE user_hash = sipHash64({user:String})"
    with clustered.spread(gateway):
        for user in ("u1", "u2", "u3"):
            [[found]] = engine.query(
                sql,
                parameters={"user": user},
                options={"force_optimize_skip_unused_shards": 2},  # fails if it can't
            )
            assert found == (user != "u3")


@pytest.mark.parametrize(
    ("segment", "users"), [("did(buy)", 1), ("did(buy,n>=2)", 0), ("didnot(buy,n>=2)", 1)]
)
def test_each_shard_looks_for_users_who_did_something_among_its_own(
    gateway: Gateway, stored: None, segment: str, users: int
) -> None:
    deliver(CAME, blocks=1)
    asked: dict[str, Any] = {"project": DEFAULT, "start": DAY, "end": date(2025, 1, 7)}
    asked["segments"] = parse_segments([segment])
    with clustered.spread(gateway):
        found = reports.daily_active_users(zone=OWN, **asked)
        types = reports.top_events(zone=OWN, limit=5, **asked)
    assert [row.unique_users for row in found] == [users, users]
    assert [row.events for row in types] == [2] * users


def test_people_of_two_shards_are_listed_as_if_one_had_them(gateway: Gateway, stored: None) -> None:
    events = [
        {
            "occurred_at": f"2025-01-{n % 9 + 1:02}T12:00:00.{n % 5:03}Z",
            "user_id": f"u{n % 7}",
            "event_type": ("view", "buy")[n % 2],
            "properties": {"plan": (42, 43, "42")[n % 3]},
        }
        for n in range(60)
    ]
    deliver(events, blocks=3, again=True)
    with clustered.spread(gateway):
        for segments in ((), ("event_type:buy",), ("properties.plan:42",)):
            asked = Question(segments, DAY, date(2025, 1, 8), 5, DAY, 1, DAY)
            for prefix, limit in (("", 2), ("u3", 1), ("", 50)):
                by_hand = people.found_by_hand(events, asked, prefix, "UTC")
                assert people.found(asked, prefix, limit, OWN) == by_hand
        for user in ("u1", "u2"):
            own = [it for it in events if it["user_id"] == user]
            people.assert_told(user, own)
            assert_timeline(user, own)


def assert_timeline(user: str, events: list[dict[str, Any]]) -> None:
    """The pages of ClickHouse's part, of three events each."""
    at, event_id, shown = None, "", list[str]()
    while True:
        page = timeline.events_before(
            user, project=DEFAULT, at=at, event_id=event_id, limit=3, most_bytes=1_000
        )
        shown += [it.occurred_at for it in page.events]
        if not page.more:
            break
        at, event_id = (
            datetime.fromisoformat(page.events[-1].occurred_at),
            page.events[-1].event_id,
        )
    assert shown == sorted((it["occurred_at"] for it in events), reverse=True)


def test_two_shards_answer_a_segment_by_the_column_of_its_property(
    gateway: Gateway, transactional_db: None
) -> None:
    at = "2025-01-06T10:00:00Z"
    values = [3, "3", 3.0, 4, None, "x", 3]
    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        sent = [
            {"occurred_at": at, "user_id": f"u{n}", "properties": {"plan": value}}
            for n, value in enumerate(values)
        ]
        deliver(sent[:4], blocks=1)
        with sped_up("plan"):
            deliver(sent[4:], blocks=1)
            segments = asked("properties.plan:3")
            assert events_of(segments) == 4
            name = columns.name_of(parse_field("properties.plan"))
            engine.command(
                f"ALTER TABLE {clustered.SPREAD}.events ADD COLUMN {name} LowCardinality(String)"
            )
            with clustered.spread(gateway):
                assert events_of(segments) == 4
            engine.command(f"ALTER TABLE {clustered.SPREAD}.events DROP COLUMN {name}")


def events_of(segments: Segments) -> int:
    days = {"start": date(2025, 1, 6), "end": date(2025, 1, 6)}
    rows = reports.top_events(project=DEFAULT, zone=OWN, limit=9, segments=segments, **days)
    return sum(row.events for row in rows)
