"""The reports over HTTP: what is answered, and what is refused by which name."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from tests import clickhouse as engine
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


@pytest.fixture
def history() -> None:
    sent = [
        event(occurred_at="2025-01-06T10:00:00Z", user_id="a", event_type="view"),
        event(occurred_at="2025-01-06T11:00:00Z", user_id="b", event_type="view"),
        event(occurred_at="2025-01-08T00:00:00Z", user_id="a", event_type="buy"),
        event(occurred_at="2025-01-13T00:00:00Z", user_id="b", event_type="buy"),
    ]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))


def test_daily_active_users_lists_every_day(client: Client, history: None) -> None:
    answer = client.get("/stats/dau?from=2025-01-06&to=2025-01-08")
    assert answer.status_code == 200
    assert answer.json() == [
        {"date": "2025-01-06", "unique_users": 2},
        {"date": "2025-01-07", "unique_users": 0},
        {"date": "2025-01-08", "unique_users": 1},
    ]


def test_top_events_come_by_count_and_then_by_name(client: Client, history: None) -> None:
    answer = client.get("/stats/top-events?from=2025-01-01&to=2025-01-31")
    assert answer.json() == [{"event_type": "buy", "count": 2}, {"event_type": "view", "count": 2}]
    assert client.get(
        "/stats/top-events?from=2025-01-06&to=2025-01-06&limit=1&segment=user_id:a"
    ).json() == [{"event_type": "view", "count": 1}]


def test_retention_lists_cohorts_with_their_weeks(client: Client, history: None) -> None:
    rows = client.get("/stats/retention?start_date=2025-01-01&windows=2").json()
    assert rows == [{"cohort_week": "2025-01-06", "week_0": 2, "week_1": 50.0, "week_2": 0.0}]
    assert client.get("/stats/retention?start_date=2025-01-07").json() == []


def test_several_segments_must_all_hold(client: Client, history: None) -> None:
    query = "from=2025-01-01&to=2025-01-31&segment=user_id:b&segment=event_type:buy"
    assert client.get(f"/stats/top-events?{query}").json() == [{"event_type": "buy", "count": 1}]


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("dau?to=2025-01-01", "from"),
        ("dau?from=2025-01-01", "to"),
        ("dau?from=2025-02-30&to=2025-03-01", "from"),
        ("dau?from=2025-01-02&to=2025-01-01", "from"),
        ("dau?from=2025-W01-1&to=2025-01-31", "from"),
        ("dau?from=20250101&to=2025-01-31", "from"),
        ("dau?from=1969-12-31&to=1970-01-01", "from"),
        ("dau?from=2099-12-31&to=2100-01-01", "to"),
        ("dau?from=1970-01-01&to=2099-12-31", "to"),
        ("retention?start_date=2025-W01-1", "start_date"),
        ("dau?from=1900-01-01&to=2025-01-01", "from"),
        ("dau?from=2025-01-01T00:00:00Z&to=2025-01-01", "from"),
        ("dau?from=2025-01-01'&to=2025-01-01", "from"),
        ("dau?from=2025-01-01&to=2025-01-01&limit=5", "limit"),
        ("dau?from=2025-01-01&from=2025-01-01&to=2025-01-01", "from"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=country:UA", "segment"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=user_id", "segment"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=properties:1", "segment"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=%00:1", "segment"),
        ("dau?from=2025-01-01&to=2025-01-01" + "&segment=user_id:u" * 11, "segment"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=properties" + ".a" * 100 + ":x", "segment"),
        ("dau?from=2025-01-01&to=2025-01-01&segment=user_id:" + "x" * 20_000, "segment"),
        ("top-events?from=2025-01-01&to=2025-01-01&limit=0", "limit"),
        ("top-events?from=2025-01-01&to=2025-01-01&limit=1000000000", "limit"),
        ("top-events?from=2025-01-01&to=2025-01-01&limit=1e9", "limit"),
        ("top-events?from=2025-01-01&to=2025-01-01&limit=-1", "limit"),
        ("top-events?from=2025-01-01&to=2025-01-01&limit=1;DROP TABLE events", "limit"),
        ("retention", "start_date"),
        ("retention?start_date=2025-01-01&windows=0", "windows"),
        ("retention?start_date=2025-01-01&windows=-1", "windows"),
        ("retention?start_date=2025-01-01&windows=64", "windows"),
        ("retention?start_date=2025-01-01&windows=1000", "windows"),
    ]:
        answer = client.get(f"/stats/{query}")
        assert answer.status_code == 400, (query, parameter)
        assert answer["Content-Type"] == "application/problem+json", (query, parameter)
        assert [error["parameter"] for error in answer.json()["errors"]] == [parameter], (
            query,
            parameter,
        )


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2100-01-01", "9999-12-31"])
def test_days_that_no_event_can_have_are_refused_by_name(client: Client, day: str) -> None:
    for query in (f"dau?from={day}&to={day}", f"top-events?from={day}&to={day}"):
        answer = client.get(f"/stats/{query}")
        assert answer.status_code == 400
        assert [error["parameter"] for error in answer.json()["errors"]] == ["from", "to"]
    assert client.get(f"/stats/retention?start_date={day}").status_code == 400


@pytest.mark.parametrize("day", ["1970-01-01", "2099-12-31"])
def test_the_first_and_the_last_day_are_answered(client: Client, day: str) -> None:
    rows = client.get(f"/stats/dau?from={day}&to={day}").json()
    assert rows == [{"date": day, "unique_users": 0}]
    assert client.get(f"/stats/top-events?from={day}&to={day}").json() == []
    assert client.get(f"/stats/retention?start_date={day}&windows=63").json() == []


def test_clickhouse_being_gone_is_unavailable(client: Client, settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    for query in (
        "dau?from=2025-01-01&to=2025-01-01",
        "top-events?from=2025-01-01&to=2025-01-01",
        "retention?start_date=2025-01-01",
    ):
        answer = client.get(f"/stats/{query}")
        assert answer.status_code == 503, json.dumps(answer.json())
        assert "Retry-After" in answer


def test_a_range_of_fifty_years_is_answered(client: Client, history: None) -> None:
    rows = client.get("/stats/dau?from=1975-01-01&to=2025-12-31").json()
    assert len(rows) == 18_628
    assert sum(row["unique_users"] for row in rows) == 4


def test_top_events_and_retention_take_fifty_years_too(client: Client, history: None) -> None:
    rows = client.get("/stats/top-events?from=1975-01-01&to=2025-12-31&limit=1000").json()
    assert rows == [{"event_type": "buy", "count": 2}, {"event_type": "view", "count": 2}]
    [cohort] = client.get("/stats/retention?start_date=1975-01-01&windows=63").json()
    assert (cohort["cohort_week"], cohort["week_0"], cohort["week_1"]) == ("2025-01-06", 2, 50.0)


@pytest.mark.parametrize(
    "segment",
    [
        "properties.nobody:sent",
        "properties.nobody.ever:",
        "properties.plan:" + "x" * 10_000,
        "properties.plan:" + "9" * 10_000,
        "properties." + "k" * 10_000 + ":x",
        "user_id:" + "x" * 10_000,
        "event_type:" + "ж" * 10_000,
    ],
    ids=lambda segment: segment[:24],
)
def test_a_segment_that_nobody_is_in_gives_empty_answers(
    client: Client, history: None, segment: str
) -> None:
    assert asked(client, [segment]) == [[{"date": "2025-01-06", "unique_users": 0}], [], []]


def test_ten_segments_are_answered(client: Client, history: None) -> None:
    here = ["user_id:a"] * 5 + ["event_type:view"] * 5
    assert asked(client, here) == [
        [{"date": "2025-01-06", "unique_users": 1}],
        [{"event_type": "view", "count": 1}],
        [{"cohort_week": "2025-01-06", "week_0": 1, "week_1": 0.0}],
    ]
    assert asked(client, [*here[1:], "properties.country:PL"])[1:] == [[], []]


def asked(client: Client, segments: list[str]) -> list[Any]:
    """The answers of the three reports."""
    queries: dict[str, dict[str, str]] = {
        "dau": {"from": "2025-01-06", "to": "2025-01-06"},
        "top-events": {"from": "2025-01-06", "to": "2025-01-06"},
        "retention": {"start_date": "2025-01-06", "windows": "1"},
    }
    answers = [
        client.get(f"/stats/{report}", {**parameters, "segment": segments})
        for report, parameters in queries.items()
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    return [answer.json() for answer in answers]
