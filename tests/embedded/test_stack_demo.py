"""The sample events of `make demo`."""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from embedded import __main__ as stack
from embedded import demo

NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


def test_there_are_thousands_by_hundreds_of_users_in_the_last_sixty_days() -> None:
    events = list(demo.events(NOW))
    assert len(events) > 5000
    assert len({event["user_id"] for event in events}) > 300
    times = [datetime.fromisoformat(event["occurred_at"]) for event in events]
    assert NOW - timedelta(days=61) < min(times)
    assert max(times) <= NOW


def test_a_later_run_repeats_what_had_happened_and_adds_to_it() -> None:
    earlier = {event["event_id"]: event for event in demo.events(NOW)}
    later = {event["event_id"]: event for event in demo.events(NOW + timedelta(hours=6))}
    assert earlier == {event_id: later[event_id] for event_id in earlier}
    assert len(later) > len(earlier)


def test_until_a_day_is_until_its_last_moment() -> None:
    events = list(demo.events(demo.end_of(NOW.date())))
    later = list(demo.events(NOW + timedelta(days=1)))
    assert events == [event for event in later if event["occurred_at"][:10] <= "2026-03-04"]
    assert len(events) > len(list(demo.events(NOW)))


def test_every_event_has_an_id_of_its_own_even_a_year_apart() -> None:
    ids = [
        event["event_id"]
        for when in (NOW, NOW + timedelta(days=364))
        for event in demo.events(when)
    ]
    assert len(ids) == len(set(ids))


def test_a_table_aligns_its_columns_and_leaves_nulls_blank() -> None:
    rows: list[dict[str, object]] = [
        {"cohort_week": "2026-01-05", "week_0": 12},
        {"cohort_week": "2026-01-12", "week_0": None},
    ]
    assert demo.table(rows) == (
        "  cohort_week  week_0\n   2026-01-05      12\n   2026-01-12        "
    )


@pytest.mark.parametrize("until", ["1960-01-01", "1970-03-01", "2999-01-01", "yesterday"])
def test_a_last_day_that_can_not_be_is_refused_with_those_that_can(until: str) -> None:
    with pytest.raises(ValueError, match="UNTIL must be a day from 1970-03-02 to today, which is"):
        demo.last_day(until)


def test_the_first_and_the_last_day_that_can_be_are_taken() -> None:
    today = datetime.now(UTC).date()
    assert [demo.last_day(str(day)) for day in (demo.EARLIEST, today)] == [demo.EARLIEST, today]
    began = min(event["occurred_at"] for event in demo.events(demo.end_of(demo.EARLIEST)))
    assert date.fromisoformat(began[:10]) >= date(1970, 1, 1)


@pytest.mark.parametrize(
    ("keys", "options", "said"),
    [
        ("true", [], "Stopped: the demo sends and reads events without a key; unset API_KEYS_REQ"),
        ("", ["--until", "1960-01-01"], "Stopped: UNTIL must be a day from 1970-03-02 to today"),
    ],
)
def test_a_demo_that_can_not_be_is_refused_before_anything_starts(
    keys: str,
    options: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("API_KEYS_REQUIRED", keys)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PORT", "nothing starts on it")
    monkeypatch.setattr(sys, "argv", ["embedded", "--demo", *options])
    assert stack.main() == 1
    assert capsys.readouterr().err.startswith(said)
    assert list(tmp_path.iterdir()) == []
