"""The buckets of a range: all of them, in order, and beside each other, in every zone."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from analytics.trends.buckets import Bucket, TooMany, Unit, buckets, offsets
from analytics.zones import start_of


def shown(unit: Unit, start: str, end: str, zone: str = "UTC") -> list[Bucket]:
    return buckets(unit, date.fromisoformat(start), date.fromisoformat(end), zone)


def test_months_are_of_the_calendar() -> None:
    found = shown("month", "2024-01-31", "2024-03-31")
    assert [(one.start, one.end, one.is_whole) for one in found] == [
        ("2024-01-31", "2024-01-31", False),
        ("2024-02-01", "2024-02-29", True),
        ("2024-03-01", "2024-03-31", True),
    ]
    assert [one.key for one in found] == [2024 * 12, 2024 * 12 + 1, 2024 * 12 + 2]


def test_weeks_begin_on_mondays_from_the_first_days_that_there_are() -> None:
    found = shown("week", "1970-01-01", "1970-01-12")
    assert [(one.key, one.start, one.end, one.is_whole) for one in found] == [
        (0, "1970-01-01", "1970-01-04", False),
        (1, "1970-01-05", "1970-01-11", True),
        (2, "1970-01-12", "1970-01-12", False),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", "2026-10-25", 24),
        ("Europe/Kyiv", "2026-10-25", 25),
        ("Europe/Kyiv", "2026-03-29", 23),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Asia/Kathmandu", "1986-01-01", 24),
        ("Australia/Lord_Howe", "2025-04-06", 25),
        ("Australia/Lord_Howe", "2025-10-05", 24),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_has_the_hours_of_its_clock(zone: str, day: str, hours: int) -> None:
    found = shown("hour", day, day, zone)
    assert len(found) == hours
    for one, following in pairwise(found):
        assert one.end == following.start
        assert one.until.timestamp() == following.key
    for one in found:
        length = one.until - datetime.fromtimestamp(one.key, UTC)
        assert timedelta(0) < length <= timedelta(hours=1)


def test_an_hour_begins_where_the_clock_was_changed() -> None:
    found = shown("hour", "2025-04-06", "2025-04-06", "Australia/Lord_Howe")
    assert [one.start for one in found[1:4]] == [
        "2025-04-06T01:00+11:00",
        "2025-04-06T01:30+10:30",
        "2025-04-06T02:00+10:30",
    ]


def test_offsets_are_told_with_the_moment_of_each_change() -> None:
    found = offsets(date(2026, 3, 1), date(2026, 11, 1), "Europe/Kyiv")
    assert [(moment.isoformat(), seconds) for moment, seconds in found] == [
        ("2026-02-28T22:00:00+00:00", 7200),
        ("2026-03-29T01:00:00+00:00", 10800),
        ("2026-10-25T01:00:00+00:00", 7200),
    ]


def test_a_bucket_is_complete_when_it_has_ended() -> None:
    [day] = shown("day", "2026-11-01", "2026-11-01", "Asia/Kathmandu")
    ends = start_of(date(2026, 11, 2), "Asia/Kathmandu")
    assert not day.is_complete(ends - timedelta(seconds=1))
    assert day.is_complete(ends)


def test_ten_thousand_buckets_are_not_too_many() -> None:
    assert len(shown("day", "1990-01-01", "2017-05-18")) == 10_000
    for unit, end in [("day", "2017-05-19"), ("hour", "1992-01-01"), ("hour", "2099-12-31")]:
        with pytest.raises(TooMany):
            shown(unit, "1990-01-01", end)  # type: ignore[arg-type]


def test_a_bucket_that_the_range_cuts_is_never_complete() -> None:
    [cut] = shown("week", "2026-06-02", "2026-06-07")
    assert not cut.is_complete(datetime(2030, 1, 1, tzinfo=UTC))
