"""The reports on what came by way of PostgreSQL: each event counts once, as it was first sent."""

import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import inserting
from events.delivery import deliver
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT
from tests.analytics.comparison import Question, compare_answers
from tests.analytics.histories import ASKED_FOR, events, made_up, questions, some_spans
from tests.analytics.oracle import Event
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")

# Of ids, so few that most are sent again, with another content too.
IDS = 10
Sent: TypeAlias = list[tuple[int, Event]]


def later() -> None:
    """It waits, and shares a block with what comes next."""


def at_once() -> None:
    deliver.deliver_due()


def again() -> None:
    """ClickHouse has it and nobody was told, so it is sent once more."""
    if claim := deliver._claim():
        inserting.insert_block(token=str(claim.batch_id), body=claim.payload, project=DEFAULT)
        Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=None)
        deliver.deliver_due()


class Story(NamedTuple):
    """What is stored call by call, the delivery after each, and what is asked in the end."""

    calls: list[tuple[Sent, Callable[[], None]]]
    questions: list[Question]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    spans = draw(some_spans)
    sent = st.lists(st.tuples(st.integers(0, IDS - 1), events(spans)), min_size=1, max_size=12)
    calls = st.tuples(sent, st.sampled_from([later, at_once, again]))
    return Story(
        calls=draw(st.lists(calls, min_size=1, max_size=4)),
        questions=draw(st.lists(questions(spans), min_size=1, max_size=2)),
    )


@settings(made_up, max_examples=(ASKED_FOR or 20) // 5)
@given(story=stories())
def test_an_event_counts_once_and_as_it_was_first_sent(story: Story) -> None:
    empty_clickhouse()
    ids = [str(uuid.uuid4()) for _ in range(IDS)]
    first: dict[int, Event] = {}
    for sent, delivery in story.calls:
        found = [event(event_id=ids[number], **one) for number, one in sent]
        store(frames=[framed(found)], source=Batch.Source.QUEUE, project=DEFAULT)
        delivery()
        for number, one in sent:
            first.setdefault(number, one)
    deliver_all()
    for question in story.questions:
        compare_answers(list(first.values()), question)
