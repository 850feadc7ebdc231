"""Every report against the oracle, on histories that hypothesis makes up."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import clickhouse as engine
from analytics import reports
from analytics.segments import parse_segments
from tests.analytics import oracle
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse")

TODAY = date(2025, 1, 8)
# Around a leap day, a year's and a week's border, and long before.
MOMENTS = st.one_of(
    st.datetimes(datetime(2024, 12, 20), datetime(2025, 1, 8, 23, 59)),
    st.datetimes(datetime(2024, 2, 25), datetime(2024, 3, 10)),
    st.sampled_from(
        [
            datetime(2024, 12, 29, 23, 59, 59, 999000),
            datetime(2024, 12, 30),
            datetime(2025, 1, 1),
            datetime(2025, 1, 5, 23, 59, 59, 999000),
            datetime(2025, 1, 6),
            datetime(2022, 6, 1),
        ]
    ),
).map(lambda at: at.replace(tzinfo=UTC).isoformat(timespec="milliseconds"))
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "occurred_at": MOMENTS,
            "user_id": st.sampled_from(["u1", "u2", "u3", "Олена", "u'5"]),
            "event_type": st.sampled_from(["view", "buy", "ввод"]),
            "properties": st.fixed_dictionaries(
                {},
                optional={
                    "plan": st.sampled_from([42, "42", 7, None, True]),
                    "page": st.fixed_dictionaries({"section": st.sampled_from(["news", "home"])}),
                },
            ),
        }
    ),
    max_size=40,
)
SEGMENTS: dict[str, oracle.Matches] = {
    "event_type:buy": lambda e: e["event_type"] == "buy",
    "user_id=u'5": lambda e: e["user_id"] == "u'5",
    "properties.plan:42": lambda e: e["properties"].get("plan") in (42, "42"),
    "properties.plan:true": lambda e: e["properties"].get("plan") is True,
    "properties.page.section:news": (
        lambda e: e["properties"].get("page", {}).get("section") == "news"
    ),
}


def deliver(events: Sequence[dict[str, Any]], *, blocks: int = 3) -> None:
    """Into ClickHouse in some blocks, each of them twice."""
    empty_clickhouse()
    sent = [event(**one) for one in events]
    for start in range(blocks):
        if part := sent[start::blocks]:
            token = str(uuid.uuid4())
            for _ in range(2):
                engine.insert_block(token=token, body=framed(part))


def every(matches: Sequence[oracle.Matches]) -> oracle.Matches:
    return lambda e: all(match(e) for match in matches)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    events=EVENTS,
    chosen=st.lists(st.sampled_from(list(SEGMENTS)), max_size=2, unique=True),
    start=st.dates(date(2024, 12, 25), date(2025, 1, 8)),
    length=st.integers(0, 30),
    since=st.dates(date(2022, 5, 1), date(2025, 1, 8)),
    windows=st.integers(1, 63),
    limit=st.integers(1, 4),
)
def test_every_report_is_what_counting_by_hand_gives(
    events: list[dict[str, Any]],
    chosen: list[str],
    start: date,
    length: int,
    since: date,
    windows: int,
    limit: int,
) -> None:
    deliver(events)
    segments, matches = parse_segments(chosen), every([SEGMENTS[name] for name in chosen])
    end = start + timedelta(days=length)
    assert [
        tuple(row) for row in reports.daily_active_users(start=start, end=end, segments=segments)
    ] == oracle.daily_active_users(events, start, end, matches)
    assert [
        tuple(row)
        for row in reports.top_events(start=start, end=end, limit=limit, segments=segments)
    ] == oracle.top_events(events, start, end, limit, matches)
    assert [
        tuple(row)
        for row in reports.retention(start=since, windows=windows, today=TODAY, segments=segments)
    ] == oracle.retention(events, since, windows, TODAY, matches)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (r"properties.a\.b:dotted", ["dotted"]),
        ("properties.a.b:nested", ["nested"]),
        ("properties.q\"uo`te':x", ["quote"]),
        ("properties.ключ:значення", ["unicode"]),
        (r"properties.\:`Int64`:1", ["typed"]),
        (r"properties.^a:true", ["caret"]),
        ("properties.a[]:1.5", ["bracket"]),
        ("properties.price:11.77", ["price"]),
        ("properties.price:2", ["two"]),
        ("properties.price:2.0", ["two"]),
        ("properties.url:https://x.test/?a=b:c", ["url"]),
        ("properties.date:2026-01-01", ["date"]),
        ("properties.nobody:sent", []),
        ("properties.a:x' OR 1=1 --", []),
        ("properties.x` = 1 OR 1=1 --:1", []),
        ("properties.long:" + "x" * 10_000, []),
    ],
)
def test_a_property_segment_finds_its_events_and_no_others(
    expression: str, found: list[str]
) -> None:
    properties: dict[str, dict[str, Any]] = {
        "dotted": {"a.b": "dotted"},
        "nested": {"a": {"b": "nested"}},
        "quote": {"q\"uo`te'": "x"},
        "unicode": {"ключ": "значення"},
        "typed": {":`Int64`": 1},
        "caret": {"^a": True},
        "bracket": {"a[]": 1.5},
        "price": {"price": 11.77},
        "two": {"price": 2},
        "url": {"url": "https://x.test/?a=b:c"},
        "date": {"date": "2026-01-01"},
        "none": {},
    }
    sent = [event(event_type=name, properties=p) for name, p in properties.items()]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    rows = reports.top_events(
        start=date(2020, 1, 1),
        end=date(2090, 1, 1),
        limit=100,
        segments=parse_segments([expression]),
    )
    assert [row.event_type for row in rows] == found
