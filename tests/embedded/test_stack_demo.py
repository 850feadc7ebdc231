"""The sample events of `make demo`."""

from datetime import UTC, datetime, timedelta

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
