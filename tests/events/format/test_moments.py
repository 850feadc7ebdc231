"""Times as databases and languages write them are moments; what is none is refused at once."""

import time
from datetime import UTC, datetime

import pytest

from events.format.moments import parse

TEN = datetime(2026, 11, 27, 10, tzinfo=UTC)
MICROSECONDS = TEN.replace(microsecond=123456)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-27T10:00:00Z", TEN),
        ("2026-11-27T10:00Z", TEN),
        ("2026-11-27t10:00:00z", TEN),
        ("20261127t100000z", TEN),
        ("2026-11-27 10:00:00 UTC", TEN),  # BigQuery
        ("2026-11-27 10:00:00.123456 UTC", MICROSECONDS),
        ("2026-11-27 10:00:00utc", TEN),
        ("2026-11-27 10:00:00 GMT", TEN),
        ("2026-11-27 10:00:00+00", TEN),  # PostgreSQL, DuckDB
        ("2026-11-27T12:00:00+0200", TEN),
        ("2026-11-27 12:00:00.000 +0200", TEN),  # Snowflake
        ("2026-11-27 12:00:00.0000000 +02:00", TEN),  # SQL Server
        ("2026-11-27 04:30:00 -05:30", TEN),
        ("2026-11-27 10:00:00.123456789 +0000 UTC", MICROSECONDS),  # Go
        ("2026-11-27 12:00:00 +0200 EET", TEN),
        ("2026-11-27T12:00+02:00[Europe/Kyiv]", TEN),  # Java
        ("2026-11-27T10:00:00Z[UTC]", TEN),
        ("2026-11-27T10:00:00,123456Z", MICROSECONDS),
        (" 2026-11-27 10:00:00Z ", TEN),
    ],
)
def test_a_time_is_read_in_every_usual_spelling(text: str, moment: datetime) -> None:
    assert parse(text) == moment


def test_a_time_without_an_offset_stays_without() -> None:
    assert parse("2026-11-27 10:00:00").tzinfo is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "UTC", "Z", "+00:00", "1767225600", "2026-02-30 10:00:00 UTC"),
        *("2026-11-27 10:00:00 EST", "2026-11-27 10:00:00 Europe/Kyiv", "27.11.2026 10:00:00"),
        *("2026-11-27 10:00:00 UTC UTC", "2026-11-27 10:00:00Z[", "2026-11-27 25:00:00 UTC"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(text)


@pytest.mark.parametrize("piece", ["Z[", " ", "+00", "2026-11-27 10:00:00 UTC"])
def test_a_long_text_is_refused_at_once(piece: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=r".*"):
        parse(piece * 300_000)
    assert time.process_time() - started < 1
