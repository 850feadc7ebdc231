"""How much is looked at: the newest days, part of a day that is too large, or all."""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clickhouse import ClickHouseError
from analytics.discovery import finding, looking
from analytics.discovery.looking import Look, Question, look
from analytics.maintenance import daily_counts
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics.comparison import OWN
from tests.analytics.histories import ASKED_FOR, made_up
from tests.fixtures import empty_clickhouse
from tests.projects.made_projects import project
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
RANGE = "from=2025-01-01&to=2025-01-31"


def put(counts: dict[int, int], **fields: Any) -> None:
    """So many events on these days of January."""
    sent = [
        event(
            occurred_at=f"2025-01-{day:02}T12:00:00Z",
            **{"properties": {f"day {day}": day}, **fields},
        )
        for day, count in counts.items()
        for _ in range(count)
    ]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))


def seen(most: int, **changes: Any) -> Look:
    asked = {"project": DEFAULT, "zone": OWN, "start": FIRST, "end": LAST, **changes}
    return look(Question(**asked), most=most)


def days(first: int, last: int = 31, **changes: Any) -> Look:
    return Look(date(2025, 1, first), date(2025, 1, last), **changes)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1_000, days(1)),
        (19, days(1)),
        (13, days(6, complete=False)),
        (9, days(6, complete=False)),
        (6, days(20, complete=False)),
        (3, days(20, complete=False)),
        (2, days(20, one_in=2, complete=False)),
        (1, days(20, one_in=3, complete=False)),
    ],
)
def test_a_look_takes_the_newest_days_that_have_so_many_events(most: int, expected: Look) -> None:
    put({5: 10, 6: 6, 20: 3})
    assert seen(most) == expected
    assert seen(most, all=True) == days(1)


def test_after_a_day_with_few_events_a_part_of_a_large_one_is_looked_at() -> None:
    """Just after midnight the new day has hardly any."""
    put({19: 5, 20: 21, 21: 1})
    assert seen(4) == days(20, one_in=6, complete=False)
    assert seen(2) == days(21, complete=False)


def test_of_a_single_day_that_is_too_large_a_part_is_looked_at() -> None:
    put({20: 7})
    assert seen(2) == days(1, one_in=4, complete=False)
    assert seen(5) == seen(7) == days(1)


def test_where_there_is_nothing_everything_is_looked_at() -> None:
    assert seen(1) == days(1)
    put({20: 3})
    assert seen(1, event_type="nobody's") == days(1)
    assert seen(1, end=date(2025, 1, 19)) == days(1, 19)


def test_only_events_of_the_type_count() -> None:
    put({5: 4, 20: 3})
    put({6: 1, 21: 9}, event_type="buy")
    assert seen(6, event_type="page_view") == days(20, complete=False)
    assert seen(10, event_type="buy") == days(1)
    assert seen(10) == days(21, complete=False)


def test_events_beside_the_range_count_where_the_days_are_those_of_another_zone() -> None:
    """At noon on the 20th it is the 21st in Kiritimati, where the range begins on the 21st."""
    put({19: 1, 20: 5, 21: 1})
    put({20: 5}, event_type="buy")
    zone = Zone("Pacific/Kiritimati", lambda: "UTC")
    range_of = {"zone": zone, "start": date(2025, 1, 21), "end": date(2025, 1, 21)}
    assert seen(2, **range_of).complete is False
    question = Question(DEFAULT, zone, date(2025, 1, 21), date(2025, 1, 22), all=True)
    found = finding.properties(question, prefix="", limit=10)
    assert [row.path for row in found.rows] == ["day 20", "day 21"]


def test_how_far_back_a_look_goes_is_kept_for_some_seconds(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0, 0, 9, 10])
    monkeypatch.setattr(looking, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    monkeypatch.setattr(finding, "MOST", 3)
    put({5: 3})
    assert seen(3) == days(1)
    put({20: 3, 21: 1})
    found = client.get(f"/properties?{RANGE}").json()
    assert [row["path"] for row in found["properties"]] == ["day 20", "day 21", "day 5"]
    assert seen(3) == days(1)
    assert seen(3) == days(20, complete=False)


def test_looks_of_others_are_not_taken_for_ours(settings: Any) -> None:
    put({5: 4, 20: 3})
    put({6: 1}, event_type="buy")
    assert seen(3) == days(20, complete=False)
    assert seen(8) == days(1)
    assert seen(3, event_type="buy") == days(1)
    assert seen(3, end=date(2025, 1, 19)) == days(1, 19, one_in=2, complete=False)
    assert seen(3, start=date(2025, 1, 7)) == days(7)
    with project("other") as other:
        assert seen(3, project=other.pk) == days(1)
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    with pytest.raises(ClickHouseError):
        seen(3)


def test_what_was_looked_at_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put({5: 4, 6: 2, 20: 3})
    monkeypatch.setattr(finding, "MOST", 5)
    found = client.get(f"/properties?{RANGE}").json()
    assert [row["path"] for row in found.pop("properties")] == ["day 20", "day 6"]
    span = {"to": "2025-01-31", "more": False, "one_in": 1}
    assert found == {**span, "from": "2025-01-06", "complete": False}
    everything = client.get(f"/properties?{RANGE}&all=true").json()
    assert [row["path"] for row in everything.pop("properties")] == ["day 20", "day 5", "day 6"]
    assert everything == {**span, "from": "2025-01-01", "complete": True}
    found = client.get(f"/properties/values?path=day 5&{RANGE}").json()
    assert found == {**span, "from": "2025-01-06", "complete": False, "values": []}
    found = client.get(f"/properties/values?path=day 5&{RANGE}&all=true").json()
    assert found["values"] == [{"value": "5", "events": 4}]


def test_of_a_large_day_whole_blocks_are_looked_at(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five blocks the first and the last, which is not full, or one of those between."""
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-06 00:00:00', 3, 'UTC'),"
        """ toString(number), 'view', '{"plan":"pro"}' FROM numbers(40000)"""
    )
    monkeypatch.setattr(finding, "MOST", 10_000)
    found = client.get(f"/properties/values?path=plan&{RANGE}").json()
    assert (found["one_in"], found["complete"]) == (4, False)
    [value] = found["values"]
    assert value["events"] in (40_000 - 3 * 8_192, 8_192)
    found = client.get(f"/properties/values?path=plan&{RANGE}&all=true").json()
    assert found["values"] == [{"value": "pro", "events": 40_000}]


def test_a_day_whose_count_was_corrected_to_nothing_is_none(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_counts, "_PAUSE_SECONDS", 0.001)
    put({5: 4, 6: 2, 20: 3})
    put({7: 1}, event_type="gone")
    lost = {(date(2025, 1, day), "page_view"): count for day, count in ((5, 4), (20, 3))}
    daily_counts.subtract({**lost, (date(2025, 1, 7), "gone"): 1}, project=DEFAULT)
    [row] = client.get(f"/event-types?{RANGE}").json()["event_types"]
    assert row == {
        "event_type": "page_view",
        "events": 2,
        "first_day": "2025-01-06",
        "last_day": "2025-01-06",
    }
    assert seen(1) == days(1, one_in=2, complete=False)


@settings(made_up, max_examples=ASKED_FOR or 20)
@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    most=st.integers(1, 20),
    start=st.integers(0, 11),
)
def test_a_look_is_as_counted_by_hand(counts: list[int], most: int, start: int) -> None:
    empty_clickhouse()
    put(dict(enumerate(counts, start=1)))
    begin = FIRST + timedelta(days=start)
    assert seen(most, start=begin) == counted(counts[start:], begin, most)


def counted(counts: Sequence[int], start: date, most: int) -> Look:
    """Goes back a day at a time while the next still fits, or too little was found."""
    near, first = 0, start
    for days_on, count in reversed([*enumerate(counts)]):
        if near * 2 >= most and near + count > most:
            break
        if count:
            near, first = near + count, start + timedelta(days=days_on)
    one_in = max(1, int(near / most + 0.5))
    if near == sum(counts):
        return Look(start, LAST, one_in=one_in, complete=one_in == 1)
    return Look(first, LAST, one_in=one_in, complete=False)
