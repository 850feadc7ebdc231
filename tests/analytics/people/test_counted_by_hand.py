"""People by segments, days and prefix, as plain Python finds them among the events."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.people.finding import search
from analytics.people.listing import People, parse_cursor
from analytics.people.person import TypeCount, summary
from analytics.zones import Zone
from projects.models import DEFAULT
from tests.analytics import oracle
from tests.analytics.comparison import OWN, Question, deliver, matching, parsed
from tests.analytics.histories import ASKED_FOR, History, histories, made_up, zoned_histories
from tests.analytics.oracle import Event
from tests.fixtures import empty_clickhouse

pytestmark = pytest.mark.usefixtures("clickhouse")

EXAMPLES = ASKED_FOR or 6
PREFIXES = st.sampled_from(["", "", "u", "u1", "U", "Оле", "u'", "nobody"])
KATHMANDU, SAO_PAULO = "Asia/Kathmandu", "America/Sao_Paulo"


@settings(made_up, max_examples=EXAMPLES)
@given(history=histories(), prefix=PREFIXES, limit=st.integers(1, 4))
def test_people_of_a_history_are_those_counted_by_hand(
    history: History, prefix: str, limit: int
) -> None:
    compare(history, prefix, limit, OWN)


@pytest.mark.parametrize("name", [KATHMANDU, SAO_PAULO])
def test_people_of_days_of_other_zones_are_those_counted_by_hand(name: str) -> None:
    @settings(made_up, max_examples=max(1, EXAMPLES // 4))
    @given(history=zoned_histories(name), prefix=PREFIXES, limit=st.integers(1, 4))
    def look(history: History, prefix: str, limit: int) -> None:
        compare(history, prefix, limit, Zone(name))

    look()


def compare(history: History, prefix: str, limit: int, zone: Zone) -> None:
    empty_clickhouse()
    deliver(history.events, blocks=history.blocks, again=True)
    events = [{**it, "occurred_at": utc(it)} for it in history.events]
    for question in history.questions:
        expected = found_by_hand(events, question, prefix, zone.name)
        assert found(question, prefix, limit, zone) == expected, question
    for user in {it["user_id"] for it in events}:
        assert_told(user, [it for it in events if it["user_id"] == user])


def utc(event: Event) -> str:
    """The moment as it is answered."""
    return str(event["occurred_at"]).replace("+00:00", "Z")


def found_by_hand(
    events: Sequence[Event], question: Question, prefix: str, zone: str
) -> list[tuple[str, str, str]]:
    """The people who match, in the order of their ids."""
    last = question.end
    users = {
        it["user_id"]
        for it in matching(events, question, last=last, zone=zone)
        if question.start <= oracle.day(it, zone) <= last and it["user_id"].startswith(prefix)
    }
    moments = {
        user: [it["occurred_at"] for it in events if it["user_id"] == user] for user in users
    }
    return [(user, min(moments[user]), max(moments[user])) for user in sorted(users)]


def found(question: Question, prefix: str, limit: int, zone: Zone) -> list[tuple[str, str, str]]:
    """The same over all pages, of which each is in order and says the same total."""

    def page(following: str | None) -> People:
        return search(
            project=DEFAULT,
            zone=zone,
            segments=parsed(question),
            start=question.start,
            end=question.end,
            prefix=prefix,
            limit=limit,
            cursor=parse_cursor(following) if following else None,
        )

    pages = [page(None)]
    while pages[-1].next:
        pages.append(page(pages[-1].next))
        assert pages[-1].next != pages[-2].next
    users = [user for one in pages for user in one.users]
    assert {one.total for one in pages} == {len(users)}
    assert [len(one.users) for one in pages[:-1]] == [limit] * (len(pages) - 1)
    last = [user.last_seen for user in users]
    assert last == sorted(last, reverse=True)
    return sorted((user.user_id, user.first_seen, user.last_seen) for user in users)


def assert_told(user: str, events: Sequence[Event]) -> None:
    told = summary(user, project=DEFAULT)
    assert told is not None
    moments = [it["occurred_at"] for it in events]
    assert told[:4] == (user, min(moments), max(moments), len(events))
    counts = oracle_types(events)
    assert told.event_types == counts


def oracle_types(events: Sequence[Event]) -> list[TypeCount]:
    names = {it["event_type"] for it in events}
    counts = {name: sum(it["event_type"] == name for it in events) for name in names}
    ordered = sorted(names, key=lambda name: (-counts[name], name.encode()))
    return [TypeCount(name, counts[name]) for name in ordered]
