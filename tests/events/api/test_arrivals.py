"""`GET /events?after=`: what has just arrived, for a page that asks again and again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from events.api import arrivals
from events.api.query_parameters import encode_after
from events.models import Dedup
from events.storing import dedup
from projects.models import DEFAULT
from tests.posting import post
from tests.projects.made_projects import project, put
from tests.samples import event, moment

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_SETTLED", timedelta(0))


def asked(client: Client, after: str, more: str = "") -> dict[str, Any]:
    answer = client.get(f"/events?after={after}{more}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [row["event_id"] for row in answer["events"]]


def test_each_answer_has_what_arrived_since_the_last_one(client: Client) -> None:
    post(client, [event()], "?wait=true")
    answer = asked(client, "now")
    assert (ids(answer), answer["complete"]) == ([], True)
    # Late events too: the order is that of their arrival.
    late, early = event(occurred_at=moment(hours=30)), event()
    for one in (early, late):
        post(client, [one], "?wait=true")
    answer = asked(client, answer["next"])
    assert ids(answer) == [late["event_id"], early["event_id"]]
    assert answer["events"][0]["properties"] == {"country": "UA"}
    post(client, [late], "?wait=true")
    assert ids(asked(client, answer["next"])) == []


def test_nothing_is_shown_twice_and_nothing_left_out_while_events_arrive(client: Client) -> None:
    after, shown, sent = asked(client, "now")["next"], [], []
    for n in range(30):
        some = [event() for _ in range(n % 4)]
        sent += [one["event_id"] for one in some]
        if some:
            post(client, some, "?wait=true")
        if n % 3 == 0:
            answer = asked(client, after)
            after = answer["next"]
            shown += ids(answer)
    shown += ids(asked(client, after))
    assert sorted(shown) == sorted(sent)


def test_an_event_is_shown_when_its_time_of_arrival_is_settled(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "_SETTLED", timedelta(hours=1))
    after = asked(client, "now")["next"]
    post(client, [event()], "?wait=true")
    answer = asked(client, after)
    assert ids(answer) == []
    monkeypatch.setattr(arrivals, "_SETTLED", timedelta(0))
    assert len(ids(asked(client, answer["next"]))) == 1


def test_filters_hold(client: Client) -> None:
    after = asked(client, "now")["next"]
    sent = [event(user_id="olga"), event(user_id="olga", event_type="buy"), event(user_id="ivan")]
    post(client, sent, "?wait=true")
    assert set(ids(asked(client, after, "&user_id=olga"))) == {s["event_id"] for s in sent[:2]}
    assert ids(asked(client, after, "&user_id=olga&event_type=buy")) == [sent[1]["event_id"]]
    assert ids(asked(client, after, "&user_id=nobody")) == []


def test_more_than_an_answer_shows_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    after = asked(client, "now")["next"]
    for _ in range(3):
        post(client, [event() for _ in range(2)], "?wait=true")
    answer = asked(client, after, "&limit=4")
    assert (len(ids(answer)), answer["complete"]) == (4, False)
    assert asked(client, after, "&limit=6")["complete"]
    monkeypatch.setattr(arrivals, "MOST_ARRIVALS", 5)
    answer = asked(client, after, "&limit=6")
    assert (len(ids(answer)), answer["complete"]) == (5, False)


def test_more_arrivals_than_are_looked_at_are_told_even_if_none_of_these_is_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = asked(client, "now")["next"]
    post(client, [event(user_id="olga")], "?wait=true")
    post(client, [event() for _ in range(5)], "?wait=true")
    monkeypatch.setattr(arrivals, "MOST_ARRIVALS", 5)
    answer = asked(client, after, "&user_id=olga")
    assert (ids(answer), answer["complete"]) == ([], False)
    assert asked(client, after, "&user_id=nobody")["complete"] is False


def test_a_project_that_is_being_deleted_has_no_arrivals(client: Client, staging: int) -> None:
    dedup.drop(staging)
    ago = encode_after(datetime.now(UTC) - timedelta(seconds=9))
    assert client.get(f"/events?after={ago}&project=staging").status_code == 404


def test_large_events_end_an_answer_early(client: Client) -> None:
    after = asked(client, "now")["next"]
    post(client, [event(properties={"text": "x" * 60_000}) for _ in range(30)], "?wait=true")
    answer = asked(client, after)
    assert 0 < len(ids(answer)) < 30
    assert not answer["complete"]


def test_who_was_away_for_long_sees_the_last_minutes(client: Client) -> None:
    post(client, [event(), event()], "?wait=true")
    an_hour_ago = encode_after(datetime.now(UTC) - timedelta(hours=1))
    Dedup.objects.filter(event_id=Dedup.objects.first().pk).update(  # type: ignore[union-attr]
        first_seen=datetime.now(UTC) - timedelta(minutes=2)
    )
    answer = asked(client, an_hour_ago)
    assert (len(ids(answer)), answer["complete"]) == (1, False)


@pytest.fixture
def staging() -> Iterator[int]:
    with project("staging") as made:
        yield made.pk


def test_what_arrives_in_another_project_is_not_shown(client: Client, staging: int) -> None:
    after = asked(client, "now")["next"]
    put(staging, 2)
    put(DEFAULT, 1)
    assert len(ids(asked(client, after))) == 1
    assert len(ids(asked(client, after, "&project=staging"))) == 2


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("after=", "after"),
        ("after=yesterday", "after"),
        ("after=2026-01-01T00:00:00Z", "after"),
        ("after=YWZ0ZXIg", "after"),
        ("after=now&from=2026-01-01", "after"),
        ("after=now&cursor=x", "cursor"),
        ("after=now&after=now", "after"),
        ("after=now&limit=0", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(client: Client, query: str, parameter: str) -> None:
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 400
    assert parameter in [error["parameter"] for error in answer.json()["errors"]]


def test_a_cursor_of_a_page_is_none_of_arrivals_nor_the_other_way_round(client: Client) -> None:
    post(client, [event(), event()], "?wait=true")
    of_page = client.get("/events?limit=1").json()["next"]
    assert client.get(f"/events?after={of_page}").status_code == 400
    assert client.get(f"/events?cursor={asked(client, 'now')['next']}").status_code == 400
