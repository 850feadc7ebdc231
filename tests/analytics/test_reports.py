"""Every report against the oracle, on histories that hypothesis makes up.

`HISTORIES=5000 .venv/bin/python -m pytest -m slow tests/analytics/test_reports.py` compares so
many, and says how many of them differ.
"""

import re
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given, settings

from analytics import reports
from analytics.segments.expressions import ALL
from analytics.segments.parsing import parse_segments
from analytics.segments.translating import Scope, condition
from analytics.zones import Zone
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.analytics.comparison import OWN, Question, compare
from tests.analytics.histories import ASKED_FOR, History, histories, made_up
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse")

MANY = ASKED_FOR or 1_000


@settings(made_up, max_examples=ASKED_FOR or 10)
@given(history=histories())
def test_every_report_is_what_counting_by_hand_gives(history: History) -> None:
    compare(history.events, history.questions, blocks=history.blocks)


@pytest.mark.parametrize("name", ["daily_active_users", "top_events", "retention"])
def test_days_of_utc_are_read_from_their_column(name: str) -> None:
    scope = Scope("UTC", date(2025, 1, 31), is_rolled_up=True)
    sql = reports._sql(name, scope, ALL, condition(parse_segments(["user_id:a"]), scope))
    read = re.sub(r"--.*|indexHint\(.*?'UTC'\)}.*?'UTC'\)}\)", "", sql)
    assert "utc_day" in read
    assert "occurred_at" not in read


def test_a_report_reads_the_days_that_it_is_about_alone() -> None:
    sent = [event(occurred_at=f"2025-{month:02}-06T10:00:00Z") for month in range(1, 13)]
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    asked: dict[str, Any] = {
        "start": date(2025, 3, 1),
        "end": date(2025, 3, 31),
        "segments": parse_segments(["user_id:u1"]),
    }
    limit = override_settings(CLICKHOUSE_QUERY_ROWS=1)  # as many as there are in March
    with limit:
        days = reports.daily_active_users(project=DEFAULT, zone=OWN, **asked)
        [row] = reports.top_events(project=DEFAULT, zone=OWN, limit=1, **asked)
    assert sum(day.unique_users for day in days) == row.events == 1


@pytest.mark.parametrize("windows", [12, 63])
def test_weeks_at_the_end_of_a_smaller_mask_are_told_from_those_past_it(windows: int) -> None:
    """63 weeks after the first are the last that 64 bits hold."""
    first = date(2024, 1, 1)
    weeks = [0, 1, 51, 52, 62, 63, 64, 65]
    sent = [
        {
            "occurred_at": f"{first + timedelta(weeks=week)}T10:00:00.000Z",
            "user_id": f"u{user}",
            "event_type": "view",
        }
        for user, since in enumerate(weeks)
        for week in weeks
        if week >= since
    ]
    questions = [
        Question(
            segments=(),
            start=first,
            end=first,
            limit=5,
            since=first,
            windows=windows,
            today=first + timedelta(weeks=until),
        )
        for until in (0, 1, 51, 52, 65)
    ]
    compare(sent, questions, zones=[Zone("UTC")])


@pytest.mark.slow
def test_every_history_is_answered_as_counted(capsys: Any) -> None:
    """Goes on where one differs, to know how many do; the test above looks for the smallest."""
    compared: list[History] = []
    differing: list[tuple[History, AssertionError]] = []

    @settings(made_up, max_examples=MANY, database=None)
    @given(history=histories())
    def look(history: History) -> None:
        compared.append(history)
        try:
            compare(history.events, history.questions, blocks=history.blocks)
        except AssertionError as error:
            differing.append((history, error))

    look()
    with capsys.disabled():
        print(f"\n{_summary(compared)}: {len(differing)} histories differ")  # noqa: T201
    assert differing == []
    assert len(compared) >= MANY


def _summary(compared: list[History]) -> str:
    events = sum(len(history.events) for history in compared)
    questions = sum(len(history.questions) for history in compared)
    return f"{len(compared)} histories of {events} events, {3 * questions} reports compared"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (r"properties.a\.b:dotted", ["dotted"]),
        ("properties.a.b:nested", ["nested"]),
        ("properties.q\"uo`te':x", ["quote"]),
        ("properties.ключ:значення", ["unicode"]),
        (r"properties.\:`Int64`:1", ["typed"]),
        (r"properties.^a:true", ["caret"]),
        ("properties.^`a`:x", ["object"]),
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
        "object": {"^`a`": "x"},
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
        project=DEFAULT,
        zone=OWN,
        start=date(2020, 1, 1),
        end=date(2090, 1, 1),
        limit=100,
        segments=parse_segments([expression]),
    )
    assert [row.event_type for row in rows] == found
