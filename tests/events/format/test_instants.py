"""Points in time as they are written, and as they are kept."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.format.instants import NotAnInstant, parse_instant


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+16:00", "2025-12-31T08:00:00+00:00"),
        ("2026-01-01T00:00:00-23:59", "2026-01-01T23:59:00+00:00"),
        ("2026-01-01T00:00:00.001999Z", "2026-01-01T00:00:00.001000+00:00"),
        ("2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.001000+00:00"),
        # The offset counts before the cut.
        ("2026-01-01T23:59:59.999999+23:59:59.999998", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+23:59:59.999999", "2025-12-31T00:00:00+00:00"),
        ("0001-01-01T23:59:00+23:59", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999000+00:00"),
    ],
)
def test_an_instant_is_kept_in_utc_and_whole_milliseconds(text: str, kept: str) -> None:
    assert parse_instant(text).isoformat() == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "format"),
        ("yesterday", "format"),
        ("2026-02-30T00:00:00Z", "format"),
        ("2026-01-01T23:59:60Z", "format"),
        ("2026-01-01T25:00:00Z", "format"),
        ("2026-01-01T00:00:00+24:00", "format"),
        ("10000-01-01T00:00:00Z", "format"),
        ("2026-01-01", "offset"),
        ("2026-01-01T00:00:00", "offset"),
        ("0001-01-01T00:00:00+00:01", "range"),
        ("9999-12-31T23:59:59-23:59", "range"),
    ],
)
def test_what_is_no_instant_is_refused_with_a_reason(text: str, code: str) -> None:
    with pytest.raises(NotAnInstant) as raised:
        parse_instant(text)
    assert raised.value.code == code


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()
    )
)
def test_no_time_zone_and_no_fold_changes_the_instant_by_a_millisecond(moment: datetime) -> None:
    late = moment - parse_instant(moment.isoformat())
    assert 0 <= late.total_seconds() < 0.001
