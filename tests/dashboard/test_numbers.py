"""Numbers, days and changes as people read them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from dashboard import numbers


@pytest.mark.parametrize(
    ("value", "whole", "short"),
    [
        (None, "\u2013", "\u2013"),
        (0, "0", "0"),
        (9_999, "9,999", "9,999"),
        (12_345, "12,345", "12.3k"),
        (-12_345, "-12,345", "-12.3k"),
        (1_000_000, "1,000,000", "1M"),
        (10**12, "1,000,000,000,000", "1T"),
        (10**15, "1,000,000,000,000,000", "1e15"),
        (Decimal(10**21), "1e21", "1e21"),
        (-1.7e308, "-1.7e308", "-1.7e308"),
        (0.25, "0.25", "0.25"),
        (Decimal("2.50"), "2.5", "2.5"),
        (Decimal(10), "10", "10"),
        (0.00125, "0.00125", "0.00125"),
        (1e-9, "1e-9", "1e-9"),
        (Decimal("-0.000001"), "-1e-6", "-1e-6"),
    ],
)
def test_numbers_are_grouped_and_shortened(value: numbers.Value, whole: str, short: str) -> None:
    assert (numbers.whole(value), numbers.short(value)) == (whole, short)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (15, 10, ("+50 %", "up")),
        (5, 10, ("\u221250 %", "down")),
        (10, 10, ("no change", "same")),
        (10, 0, ("", "same")),
        (None, 10, ("", "same")),
        (10, None, ("", "same")),
        (5, -10, ("+150 %", "up")),
        (10_000, 1, ("+999,900 %", "up")),
    ],
)
def test_a_change_is_in_per_cent_of_what_was_before(
    now: numbers.Value, before: numbers.Value, expected: tuple[str, str]
) -> None:
    assert numbers.change(now, before) == expected


def test_shares_days_and_durations_are_short() -> None:
    assert [numbers.percent(it) for it in (None, 0, 45.5, 100.0)] == [
        *("\u2013", "0 %", "45.5 %", "100 %")
    ]
    assert numbers.day(date(2026, 11, 3)) == "3 Nov"
    assert numbers.full_day(date(2026, 11, 3)) == "Tue 3 Nov 2026"
    for first, last, said in [
        (date(2026, 11, 3), date(2026, 11, 3), "Tue 3 Nov 2026"),
        (date(2020, 1, 1), date(2020, 1, 31), "1 Jan \u2013 31 Jan 2020"),
        (date(2025, 12, 29), date(2026, 1, 4), "29 Dec 2025 \u2013 4 Jan 2026"),
    ]:
        assert numbers.period(first, last) == said
    noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
    assert numbers.moment(noon, ZoneInfo("Asia/Tokyo")) == "3 Nov 2026, 21:00"
    seconds = (None, 0.4, 45, 90, 3_600 * 3.5, 86_400 * 2)
    assert [numbers.duration(it) for it in seconds] == [
        *("\u2013", "0.4 s", "45 s", "1.5 min", "3.5 h", "2 d")
    ]
