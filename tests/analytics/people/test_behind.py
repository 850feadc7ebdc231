"""The lists behind the numbers of reports, where their edges are."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from analytics.people import finding
from analytics.segments.parsing import parse_segments
from analytics.zones import Zone
from tests.analytics.comparison import deliver

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


def sent(moment: str, user: str = "u1", kind: str = "buy", **properties: Any) -> dict[str, Any]:
    return {
        "occurred_at": moment,
        "user_id": user,
        "event_type": kind,
        "properties": properties,
    }


def asked(client: Client, address: str) -> Any:
    answer = client.get(f"/stats/{address}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(client: Client, address: str) -> list[str]:
    found = asked(client, address)
    assert found["total"] == len(found["users"])
    return sorted(user["user_id"] for user in found["users"])


def test_an_hour_that_begins_at_a_second_has_the_people_of_its_number(client: Client) -> None:
    """Liberia went from -00:44:30 to UTC, and skipped 44 minutes and 30 seconds."""
    moments = ["00:44:29.999", "00:44:30.000", "00:59:59.999", "01:00:00.000"]
    deliver([sent(f"1972-01-07T{at}Z", f"u{n}") for n, at in enumerate(moments)], blocks=1)
    days = "from=1972-01-06&to=1972-01-07&tz=Africa/Monrovia&unit=hour"
    [line] = asked(client, f"trends?{days}")["series"]
    points = [point for point in line["points"] if point["value"]]
    assert [point["value"] for point in points] == [1, 2, 1]
    for point, users in zip(points, [["u0"], ["u1", "u2"], ["u3"]], strict=True):
        at = point["start"].replace("+", "%2B")
        assert ids(client, f"trends/users?{days}&at={at}") == users


def test_a_plus_in_the_moment_of_an_hour_needs_no_encoding(client: Client) -> None:
    deliver([sent("2026-06-01T08:30:00Z")], blocks=1)
    days = "from=2026-06-01&to=2026-06-01&tz=Europe/Kyiv&unit=hour"
    assert ids(client, f"trends/users?{days}&at=2026-06-01T11:00+03:00") == ["u1"]


@pytest.mark.parametrize(
    "query", ["segment=event_type:buy", "segment=not(event_type):x", "to=2026-01-01"]
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_all_days_begin_with_the_first_moment(client: Client, query: str, zone: str) -> None:
    deliver([sent("1970-01-01T00:00:00Z"), sent("2025-01-01T00:00:00Z", "u2")], blocks=1)
    answer = client.get(f"/users?{query}&tz={zone}").json()
    assert [user["user_id"] for user in answer["users"]] == ["u2", "u1"]
    answer = client.get(f"/users?{query}&tz={zone}&from=1970-01-02").json()
    assert [user["user_id"] for user in answer["users"]] == ["u2"]


@pytest.mark.parametrize(
    "address",
    [
        "dau/users?at=2026-06-01",
        "trends/users?at=2026-06-01",
        "trends/users?at=2026-06-01&by=event_type&value=view",
        "trends/users?at=2026-06-01T00:00%2B00:00&unit=hour",
    ],
)
def test_the_window_of_a_segment_ends_with_the_report_and_not_with_the_day(
    client: Client, address: str
) -> None:
    views = [sent("2026-06-01T00:30:00Z", user, "view") for user in ("early", "late", "never")]
    bought = [sent("2026-06-01T00:00:00Z", "early", "other")]
    bought += [sent("2026-05-31T10:00:00Z", "early"), sent("2026-06-04T10:00:00Z", "late")]
    deliver([*views, *bought], blocks=1)
    query = "&from=2026-06-01&to=2026-06-05&segment=did(buy,2d)"
    assert ids(client, address + query) == ["late"]


@pytest.mark.parametrize(
    ("measure", "first"), [("users_7d", "2026-06-09"), ("users_30d", "2026-05-17")]
)
def test_rolling_users_are_those_of_so_many_days(client: Client, measure: str, first: str) -> None:
    before = date.fromisoformat(first) - timedelta(days=1)
    moments = [f"{before}T23:59:59.999Z", f"{first}T00:00:00Z", "2026-06-15T23:59:59.999Z"]
    moments.append("2026-06-16T00:00:00Z")
    deliver([sent(moment, f"u{n}") for n, moment in enumerate(moments)], blocks=1)
    query = f"from=2026-06-10&to=2026-06-20&measure={measure}"
    points = asked(client, f"trends?{query}")["series"][0]["points"]
    assert points[5]["value"] == 2
    assert ids(client, f"trends/users?{query}&at=2026-06-15") == ["u1", "u2"]


def test_the_period_before_has_the_lines_of_the_range(client: Client) -> None:
    deliver(
        [
            *(sent("2026-06-02T10:00:00Z", "u1", country="UA"), sent("2026-06-02T10:00:00Z", "u2")),
            *(sent("2026-06-01T10:00:00Z", f"v{n}", country="DE") for n in range(2)),
            sent("2026-06-01T10:00:00Z", "v2", country="UA"),
            sent("2026-06-01T10:00:00Z", "v3"),
        ],
        blocks=1,
    )
    query = "from=2026-06-02&to=2026-06-02&by=properties.country&top=1&compare=previous"
    before = f"trends/users?{query}&period=compared"
    found = asked(client, f"trends?{query}")["compare"]
    assert [line["total"] for line in found["series"]] == [1, 1]
    assert found["other"]["total"] == 2
    assert ids(client, f"{before}&value=UA") == ["v2"]
    assert ids(client, f"{before}&line=unset") == ["v3"]
    assert ids(client, f"{before}&line=other") == ["v0", "v1"]
    assert ids(client, before) == ["v0", "v1", "v2", "v3"]


def test_the_people_of_a_sum_are_those_with_a_number(client: Client) -> None:
    amounts = [1, "2.5", 0, "none", None, True, [1], 1e31]
    sent_ = [sent("2026-06-01T10:00:00Z", f"u{n}", amount=it) for n, it in enumerate(amounts)]
    deliver([*sent_, sent("2026-06-01T10:00:00Z", "u8")], blocks=1)
    for measure in ("sum", "avg", "max", "p90"):
        query = f"from=2026-06-01&to=2026-06-01&measure={measure}(properties.amount)"
        [line] = asked(client, f"trends?{query}")["series"]
        assert line["values"] + line.get("left_out", 0) == 4
        assert ids(client, f"trends/users?{query}") == ["u0", "u1", "u2", "u7"]


def test_an_hour_ends_before_the_next_one(client: Client) -> None:
    moments = ["08:00:00.000", "08:59:59.999", "09:00:00.000"]
    deliver([sent(f"2026-06-01T{at}Z", f"u{n}") for n, at in enumerate(moments)], blocks=1)
    query = "from=2026-06-01&to=2026-06-01&unit=hour"
    assert ids(client, f"trends/users?{query}&at=2026-06-01T08:00%2B00:00") == ["u0", "u1"]


@pytest.mark.parametrize("project", ["America/New_York"], indirect=True)
def test_all_days_of_rollups_west_of_greenwich_begin_with_1969(project: int) -> None:
    deliver([sent("1970-01-01T00:00:00Z")], blocks=1, project=project)
    found = finding.search(
        project=project,
        zone=Zone("America/New_York", lambda: "America/New_York"),
        segments=parse_segments(["event_type:buy"]),
        start=None,
        end=date(2026, 1, 1),
        prefix="",
        limit=9,
        cursor=None,
    )
    assert [user.user_id for user in found.users] == ["u1"]


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("dau/users?from=2026-06-01&to=2026-06-02&at=2026-06-03", "at"),
        ("dau/users?from=2026-06-01&to=2026-06-02&at=2026-05-31", "at"),
        ("dau/users?from=2026-06-02&to=2026-06-01", "from"),
        ("trends/users?from=2026-06-01&to=2026-06-02&at=2026-06-03", "at"),
        ("trends/users?from=2026-06-01&to=2026-06-14&unit=week&at=2026-06-02", "at"),
        ("trends/users?from=2026-06-01&to=2026-06-02&period=compared", "period"),
        ("trends/users?from=2026-06-01&to=2026-06-02&value=a", "value"),
        (
            "trends/users?from=2026-06-01&to=2026-06-02&series=event_type:a&series=event_type:b",
            "series",
        ),
        ("active-days/users?from=2026-06-01&to=2026-06-02&days=0", "days"),
        ("cohorts/users?from=2026-06-01&to=2026-06-07", "at"),
        ("cohorts/users?from=2026-06-01&to=2026-06-07&at=2026-06-08", "at"),
        ("cohorts/users?from=2026-06-01&to=2026-06-07&at=2026-06-01&periods=2&period=3", "period"),
        ("cohorts/users?from=2026-01-01&to=2099-06-07&at=2099-06-01", "at"),
        ("retention/users?start_date=2026-06-01&at=2026-06-02", "at"),
        ("retention/users?start_date=2026-06-01&windows=3&at=2026-06-01&week=9", "week"),
    ],
)
def test_each_wrong_number_is_named(client: Client, address: str, parameter: str) -> None:
    answer = client.get(f"/stats/{address}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]
