"""Discovery on a cluster: what two shards have is found as if one had it."""

from collections.abc import Iterator
from datetime import date

import pytest

from analytics.discovery.looking import Question
from projects.models import DEFAULT
from tests.analytics import clustered
from tests.analytics.comparison import OWN, deliver
from tests.analytics.discovery.test_answers import assert_as_counted
from tests.analytics.oracle import Event
from tests.embedded.gateway import Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = clustered.start(tmp_path_factory.mktemp("cluster"))
    with clustered.schema(running):
        yield running
    running.stop()


def test_two_shards_answer_as_counted_by_hand(gateway: Gateway) -> None:
    values = ["news", "NEWS", 42, "42", 7.5, True, None, ["a"], {"a": 1}]
    events: list[Event] = [
        {
            "occurred_at": f"2025-01-{number % 9 + 1:02}T12:00:00.000Z",
            "user_id": f"u{number}",
            "event_type": ("view", "buy")[number % 2],
            "properties": {"plan": values[number % 9], "page": {"section": values[number % 7]}},
        }
        for number in range(60)
    ]
    with clustered.at(gateway, clustered.STORED, "one"):
        deliver(events, blocks=2, again=True)
    start, end = date(2025, 1, 2), date(2025, 1, 8)
    with clustered.spread(gateway):
        for event_type in (None, "buy"):
            for prefix in ("", "n"):
                question = Question(DEFAULT, OWN, start, end, event_type)
                assert_as_counted(events, question, prefix)
