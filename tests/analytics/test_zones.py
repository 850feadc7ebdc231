"""Reports in days of other zones than UTC: exact around midnights that are skipped or repeated."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import given, settings

from analytics import clickhouse, reports, zones
from analytics.maintenance import daily_counts
from analytics.segments.parsing import parse_segments
from analytics.zones import Zone
from projects.models import DEFAULT
from tests.analytics.comparison import compare, deliver
from tests.analytics.histories import (
    ASKED_FOR,
    ZONE_SPANS,
    History,
    made_up,
    zoned_histories,
)
from tests.fixtures import empty_clickhouse
from tests.samples import event

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

NAMES = list(ZONE_SPANS)


@pytest.mark.parametrize("name", NAMES)
def test_every_report_from_events_is_what_counting_by_hand_gives(name: str) -> None:
    @settings(made_up, max_examples=(ASKED_FOR or 6) // 3)
    @given(history=zoned_histories(name))
    def look(history: History) -> None:
        asked = [Zone(name), Zone(name, lambda: "UTC")]
        compare(history.events, history.questions, blocks=history.blocks, zones=asked)

    look()


@pytest.mark.parametrize(("project", "name"), [(it, it) for it in NAMES], indirect=["project"])
def test_every_report_from_rollups_is_what_counting_by_hand_gives(project: int, name: str) -> None:
    @settings(made_up, max_examples=(ASKED_FOR or 9) // 3)
    @given(history=zoned_histories(name))
    def look(history: History) -> None:
        own = Zone(name, lambda: name)
        compare(
            history.events,
            history.questions,
            blocks=history.blocks,
            zones=[own],
            project=project,
        )

    look()


@pytest.mark.parametrize(
    ("day", "zone", "first"),
    [
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        ("2024-04-26", "Africa/Cairo", "2024-04-25T22:00:00Z"),
        ("2018-02-18", "America/Sao_Paulo", "2018-02-18T03:00:00Z"),
        ("2026-10-25", "Europe/Kyiv", "2026-10-24T21:00:00Z"),
        ("2026-10-26", "Europe/Kyiv", "2026-10-25T22:00:00Z"),
        ("2025-01-06", "Asia/Kathmandu", "2025-01-05T18:15:00Z"),
        ("2010-11-07", "America/St_Johns", "2010-11-07T03:30:00Z"),  # at 00:01 back to 23:01
        ("2025-11-02", "America/Havana", "2025-11-02T04:00:00Z"),  # at 01:00 back to 00:00
        ("2025-01-06", "Australia/Lord_Howe", "2025-01-05T13:00:00Z"),
    ],
)
def test_the_first_moment_of_a_day_is_on_it_and_the_one_before_is_not(
    client: Client, day: str, zone: str, first: str
) -> None:
    moment = datetime.fromisoformat(first)
    assert zones.start_of(date.fromisoformat(day), zone) == moment
    deliver([sent(moment), sent(moment - timedelta(milliseconds=1))], blocks=1)
    query = f"from={day}&to={day}&tz={zone}"
    assert client.get(f"/stats/dau?{query}").json() == [{"date": day, "unique_users": 1}]
    assert client.get(f"/stats/top-events?{query}").json() == [{"event_type": "buy", "count": 1}]


def sent(moment: datetime, **changes: Any) -> dict[str, Any]:
    at = moment.isoformat(timespec="milliseconds")
    return {"occurred_at": at, "user_id": at, "event_type": "buy", "properties": {}, **changes}


def test_zones_are_those_of_the_package_whatever_the_system_has() -> None:
    assert zoneinfo.TZPATH == ()
    assert metadata.version("tzdata") in zones.versions()


def test_a_week_of_a_zone_begins_at_its_monday(client: Client) -> None:
    monday = datetime(2025, 1, 5, 18, 15, tzinfo=UTC)
    deliver([sent(monday), sent(monday - timedelta(seconds=1))], blocks=1)
    answer = client.get("/stats/retention?start_date=2024-12-30&tz=Asia/Kathmandu&windows=1")
    assert [(it["cohort_week"], it["week_0"]) for it in answer.json()] == [
        ("2024-12-30", 1),
        ("2025-01-06", 1),
    ]


def test_the_day_before_the_first_is_in_the_first_week() -> None:
    """1969-12-31 in São Paulo, which ClickHouse's days can't hold."""
    first, second = datetime(1970, 1, 1, 0, 30, tzinfo=UTC), datetime(1970, 1, 6, 12, tzinfo=UTC)
    deliver([sent(first, user_id="u1"), sent(second, user_id="u1")], blocks=1)
    asked: dict[str, Any] = {"start": date(1970, 1, 1), "windows": 1, "today": date(1970, 2, 1)}
    zone = Zone("America/Sao_Paulo")
    assert reports.retention(project=DEFAULT, zone=zone, **asked) == []


def test_the_present_week_is_that_of_the_zones_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Sunday in UTC, and Monday already in Kathmandu."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2025, 1, 5, 20, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(zones, "datetime", Clock)
    assert Zone("Asia/Kathmandu").today() == date(2025, 1, 6)
    assert Zone("UTC").today() == date(2025, 1, 5)


@pytest.mark.parametrize("tz", ["", "utc", "Mars/Olympus", "+02:00", "Europe/../UTC", "localtime"])
def test_a_zone_that_nobody_knows_is_refused_by_name(client: Client, tz: str) -> None:
    for query in (
        "dau?from=2025-01-01&to=2025-01-01",
        "top-events?from=2025-01-01&to=2025-01-01",
        "retention?start_date=2025-01-01",
    ):
        answer = client.get(f"/stats/{query}&tz={quote(tz)}")
        assert answer.status_code == 400
        assert [error["parameter"] for error in answer.json()["errors"]] == ["tz"]


def test_all_zones_of_both_stores_are_accepted_and_asked_for_once() -> None:
    zones._names.cache_clear()
    for name in ("America/Argentina/ComodRivadavia", "Asia/Kathmandu", "EST5EDT"):
        assert zones.checked(name) == name
    assert zones._names.cache_info().misses == 1


def test_the_last_day_of_1969_is_a_day_of_its_own_as_in_clickhouse() -> None:
    last = zones.day_of(datetime(1970, 1, 1, 1, tzinfo=UTC), "America/Sao_Paulo")
    assert last == date(1969, 12, 31)
    stored = zones.stored_day(last)
    assert clickhouse.query_server("SELECT toDate(65535)") == [[str(stored)]]
    assert zones.read_day(str(stored)) == last
    assert zones.read_day("1970-01-01") == zones.stored_day(date(1970, 1, 1)) == date(1970, 1, 1)


def test_a_part_that_begins_on_the_last_day_of_1969_is_read_like_any_other() -> None:
    """ClickHouse's Date has no such day, and takes it for one of 2149."""
    first = event(occurred_at="1970-01-01T02:00:00Z", event_type="earlier")
    second = event(occurred_at="1970-01-02T03:14:59Z", event_type="buy")
    empty_clickhouse(project=DEFAULT)
    deliver([first, second], blocks=1)
    zone, day = Zone("America/Sao_Paulo"), date(1970, 1, 2)
    asked: dict[str, Any] = {"project": DEFAULT, "zone": zone, "start": day, "end": day}
    assert reports.top_events(limit=5, **asked) == [("buy", 1)]
    assert reports.daily_active_users(**asked) == [(day, 1)]
    who = parse_segments(["did(buy,1d)"])
    assert reports.daily_active_users(**asked, segments=who) == [(day, 1)]
    who = parse_segments(["did(earlier)"])
    assert reports.daily_active_users(**asked, segments=who) == [(day, 1)]
    excess = daily_counts.unlike(project=DEFAULT, zone=zone.name, start=day, end=day)
    # The rollup has days of UTC: there the event is on the same day.
    assert excess == {}
