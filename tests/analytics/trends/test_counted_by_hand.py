"""Every trend is what counting by hand gives, for histories made up by hypothesis."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.segments.parsing import parse_field, parse_segments
from analytics.trends.measures import parse_measure
from analytics.trends.question import COMPARES, Question
from analytics.trends.trends import Trend, trend
from analytics.zones import Zone
from projects.models import DEFAULT
from tests.analytics.comparison import deliver
from tests.analytics.histories import ASKED_FOR, SPANS, ZONE_SPANS, Span, made_up
from tests.analytics.oracle import Event
from tests.analytics.trends.counted import Asked, Line, lines
from tests.fixtures import empty_clickhouse

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

USERS = st.sampled_from(["u1", "u2", "U1", "Олена", "u5", "u6", "u7", "u8"])
TYPES = st.sampled_from(["view", "buy", "Buy", "ввод"])
NUMBERS = st.sampled_from(
    [
        *[0, 1, 5, -3, 42, 42.0, 0.1, 0.2, 1e-7, 5e-7, 1.0000005, 2.5, -0.3, 1e15 + 0.5, 2**53],
        *[
            9223372036854775807,
            18446744073709551615,
            -9223372036854775808,
            1e18,
            1e20,
            1e22,
            1e25,
            1e30,
        ],
        *[1e31, 1e308, -1e308, 5e-324, "12", "1e3", "0.1", "-7", "NaN", "1e999", " 5", "05", "+5"],
        *[2.0**51 + 0.25, -9007199255.75, "9007199254740993.5", "-1000000000000.123456", "1e400"],
        *["1234567890123456789012345.6789e3", "12345678901234567890.0000005", "1e-400", "0e400"],
        *["12345678901234567890", "9" * 38, "", "text", True, False, None, [1], {"a": 1}],
    ]
)
VALUES = st.sampled_from(
    [
        "UA",
        "DE",
        "ua",
        "",
        "Ünïcode",
        "42",
        42,
        42.5,
        True,
        "true",
        None,
        [1, "UA"],
        {"x": "UA"},
        "\t'",
    ]
)
PROPERTIES = st.fixed_dictionaries({}, optional={"amount": NUMBERS, "country": VALUES})
MEASURES = [
    *[
        ("events", None),
        ("users", None),
        ("users_7d", None),
        ("users_30d", None),
        ("new_users", None),
    ],
    *[(name, "amount") for name in ("sum", "avg", "min", "max", "p50", "p75", "p90", "p95", "p99")],
]
SEGMENTS: dict[str, Callable[[Event], bool]] = {
    "event_type:buy": lambda e: e["event_type"] == "buy",
    "in(event_type):buy,Buy": lambda e: e["event_type"] in ("buy", "Buy"),
    "not(event_type):view": lambda e: e["event_type"] != "view",
    "user_id:u1": lambda e: e["user_id"] == "u1",
    "contains(properties.country):A": lambda e: (
        "A" in str(e["properties"].get("country"))
        and isinstance(e["properties"].get("country"), str)
    ),
}


@st.composite
def asked(draw: st.DrawFn, spans: list[Span], zone: str) -> dict[str, Any]:
    first, last = draw(st.sampled_from(spans))
    start = draw(st.dates(max(date(1970, 1, 1), first), last))
    measure = draw(st.sampled_from(MEASURES))
    units = (
        ["day", "week", "month"]
        if measure[0].startswith("users_")
        else ["day", "hour", "week", "month"]
    )
    fields = ["event_type", "country", "amount"] if measure[0] != "new_users" else []
    return {
        "start": start,
        "end": start + timedelta(days=draw(st.sampled_from([0, 1, 3, 10, 31]))),
        "unit": draw(st.sampled_from(units)),
        "measure": measure,
        "by": draw(st.sampled_from([None, None, *fields])),
        "top": draw(st.sampled_from([1, 2, 10])),
        "zone": zone,
        "segments": draw(st.lists(st.sampled_from([*SEGMENTS]), max_size=2)),
        "series": draw(st.lists(st.sampled_from([*SEGMENTS]), max_size=2)),
        "compare": draw(st.sampled_from([None, None, *COMPARES])),
        "now": draw(
            st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
        ),
    }


def events(moments: st.SearchStrategy[str]) -> st.SearchStrategy[list[Event]]:
    event = st.fixed_dictionaries(
        {"occurred_at": moments, "user_id": USERS, "event_type": TYPES, "properties": PROPERTIES}
    )
    return st.lists(event, min_size=0, max_size=40)


def moments(spans: list[Span]) -> st.SearchStrategy[str]:
    """Any second of the spans, and often one beside an hour or a midnight of some zone."""
    seconds = st.one_of(
        st.integers(-86_400, 2 * 86_400),
        st.integers(-24 * 4, 48 * 4).map(lambda it: it * 900),
        st.integers(-24 * 4, 48 * 4).map(lambda it: it * 900 - 1),
    )
    days = st.one_of([st.dates(*span) for span in spans])
    return st.builds(_moment, days, seconds).filter(lambda it: it >= "1970")


def _moment(day: date, seconds: int) -> str:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds")


def assert_as_counted(
    events: list[Event], given: dict[str, Any], zone: Zone, project: int = DEFAULT
) -> None:
    question = asked_of(given, zone, project)
    if question.compare and given["start"] < date(1972, 1, 1):
        question = asked_of({**given, "compare": None}, zone, project)
    found = trend(question)
    main = Asked(
        *(given[name] for name in ("start", "end", "unit", "measure", "by", "top", "zone"))
    )
    other = None
    if question.compare:
        start, end = compared(given)
        other = Asked(start, end, *(given[n] for n in ("unit", "measure", "by", "top", "zone")))
    expected_main: list[Line] = []
    expected_other: list[Line] = []
    for name, _ in question.series:
        chosen = [
            event
            for event in events
            if all(SEGMENTS[it](event) for it in [*given["segments"], *([name] if name else [])])
        ]
        expected_main += lines(chosen, main)
        if other:
            expected_other += lines(chosen, other, of=main)
    assert plain(found, of_main=True) == expected_main
    if other:
        assert plain(found, of_main=False) == expected_other


def compared(given: dict[str, Any]) -> tuple[date, date]:
    """The period before, or the same days of the year before; of a running range what has begun."""
    start, end = given["start"], given["end"]
    today = given["now"].astimezone(ZoneInfo(given["zone"])).date()
    last = start if today < start else min(today, end)
    if given["compare"] == "previous":
        length = end - start + timedelta(days=1)
        return start - length, last - length
    first, until = (
        date(day.year - 1, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)
        for day in (start, last)
    )
    return first, until


def asked_of(given: dict[str, Any], zone: Zone, project: int) -> Question:
    name, key = given["measure"]
    by = given["by"]
    field = by if by in (None, "event_type") else f"properties.{by}"
    series = [(it, parse_segments([it])) for it in given["series"]]
    return Question(
        project=project,
        zone=zone,
        start=given["start"],
        end=given["end"],
        now=given["now"],
        unit=given["unit"],
        measure=parse_measure(f"{name}(properties.{key})" if key else name),
        segments=parse_segments(given["segments"]),
        series=series or [(None, parse_segments([]))],
        by=parse_field(field) if field else None,
        top=given["top"],
        compare=given["compare"],
    )


def plain(found: Trend, *, of_main: bool) -> list[Line]:
    period = found.main if of_main else found.compared
    assert period is not None
    return [
        (line.value, line.is_other, line.total, [point.number for point in line.points])
        for line in period.lines
    ]


@pytest.mark.parametrize("is_rolled_up", [True, False])
def test_every_trend_in_utc_is_what_counting_by_hand_gives(is_rolled_up: bool) -> None:
    zone = Zone("UTC", lambda: "UTC" if is_rolled_up else None)

    @settings(made_up, max_examples=ASKED_FOR or 5)
    @given(
        events=events(moments(SPANS)), given_=st.lists(asked(SPANS, "UTC"), min_size=1, max_size=4)
    )
    def look(events: list[Event], given_: list[dict[str, Any]]) -> None:
        empty_clickhouse(project=DEFAULT)
        deliver(events, blocks=2, again=True)
        for one in given_:
            assert_as_counted(events, one, zone)

    look()


@pytest.mark.parametrize(("project", "name"), [(it, it) for it in ZONE_SPANS], indirect=["project"])
def test_every_trend_in_a_zone_is_what_counting_by_hand_gives(project: int, name: str) -> None:
    spans = ZONE_SPANS[name]

    @settings(made_up, max_examples=(ASKED_FOR or 6) // 3)
    @given(
        events=events(moments(spans)), given_=st.lists(asked(spans, name), min_size=1, max_size=4)
    )
    def look(events: list[Event], given_: list[dict[str, Any]]) -> None:
        empty_clickhouse(project=project)
        deliver(events, blocks=2, project=project, again=True)
        for one in given_:
            for zone in (Zone(name, lambda: name), Zone(name)):
                assert_as_counted(events, one, zone, project)

    look()
