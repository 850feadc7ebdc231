"""The id of a request: believed where it is harmless, made otherwise, and told to ClickHouse."""

import json
from typing import Any

import pytest
from django.test import Client

from analytics import clickhouse, reports
from config.monitoring import request_id


def test_an_id_that_came_with_the_request_is_answered(client: Client) -> None:
    answer = client.get("/health", headers={"X-Request-ID": "from-nginx.1_2"})
    assert answer["X-Request-ID"] == "from-nginx.1_2"


@pytest.mark.parametrize("given", ["", "a b", 'x"}\n{"forged":1', "é", "x" * 65])
def test_an_id_that_could_harm_a_log_is_replaced(client: Client, given: str) -> None:
    made = [client.get("/health", headers={"X-Request-ID": given})["X-Request-ID"] for _ in "ab"]
    assert [len(one) for one in made] == [32, 32]
    assert made[0] != made[1]


def test_an_error_and_a_refusal_carry_it_too(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    answers = [client.get("/events?limit=x", headers={"X-Request-ID": "mine"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 429]
    assert [answer["X-Request-ID"] for answer in answers] == ["mine", "mine"]
    assert request_id.current() == ""


@pytest.mark.usefixtures("clickhouse")
@pytest.mark.usefixtures("stores")
def test_clickhouse_knows_for_which_request_it_computes_a_report(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "load", lambda _: "SELECT getSetting('log_comment'), 1")
    path = "/stats/top-events?from=2025-01-01&to=2025-01-02"
    [row] = client.get(path, headers={"X-Request-ID": "mine"}).json()
    said = json.loads(row["event_type"])
    assert {**said, "query": ""} == {"name": "top_events", "request_id": "mine", "query": ""}
    assert len(said["query"]) == 32
    assert json.loads(clickhouse.log_comment("export_events")) == {"name": "export_events"}
