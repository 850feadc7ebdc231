"""Every funnel is what trying all chains of events gives, user by user, for random histories."""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics import clickhouse
from analytics.breakdowns import OfLine
from analytics.funnels.asking import users
from analytics.funnels.funnel import Cell, Funnel, Step, funnel, people
from analytics.funnels.question import ORDERS, Question
from analytics.people.listing import people_of
from analytics.segments.parsing import parse_field, parse_segments
from analytics.trends.question import Question as TrendQuestion
from analytics.trends.trends import trend
from analytics.zones import Zone
from projects.models import DEFAULT
from tests.analytics.comparison import deliver
from tests.analytics.funnels.counted import (
    Asked,
    Matches,
    entered_with,
    milliseconds,
    most_in_any_window,
    took,
)
from tests.analytics.oracle import Event
from tests.fixtures import empty_clickhouse

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

# 3,000 users a mode with USERS=3000.
USERS = int(os.environ.get("USERS", "150"))
SEED = int(os.environ.get("SEED", "1"))
ZONES = ("UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Kyiv")
DAYS = [date(2026, 3, 27) + timedelta(days=n) for n in range(5)]
# A step overlaps with another one, holds another one, is never there, or is any event.
STEPS: dict[str, Matches] = {
    "event_type:a": lambda e: e["event_type"] == "a",
    "event_type:b": lambda e: e["event_type"] == "b",
    "event_type:c": lambda e: e["event_type"] == "c",
    "in(event_type):a,b": lambda e: e["event_type"] in "ab",
    "not(event_type):c": lambda e: e["event_type"] != "c",
    "properties.plan:1": lambda e: e["properties"].get("plan") == 1,
    "unset(properties.plan)": lambda e: e["properties"].get("plan") is None,
    "set(event_type)": lambda e: True,
    "event_type:nobody's": lambda e: False,
}
SEGMENTS: dict[str, Matches] = {
    "": lambda e: True,
    "not(event_type):b": lambda e: e["event_type"] != "b",
    "properties.plan:1": lambda e: e["properties"].get("plan") == 1,
}


@pytest.mark.parametrize("order", ORDERS)
def test_every_funnel_is_what_trying_all_chains_gives(order: str) -> None:
    rng = random.Random(SEED)
    events = list(history(rng, USERS))
    empty_clickhouse(project=DEFAULT)
    deliver(events, blocks=3, again=True)
    reached: Counter[int] = Counter()
    for _ in range(5):
        question, asked, chosen = any_question(rng, order, events)
        reached += compare(rng, question, asked, chosen)
    # The histories are such that users stop at each of the steps.
    assert min(reached[count] for count in (1, 2, 3, 4)) > 0


def history(rng: random.Random, count: int) -> Iterator[Event]:
    """Users with few events, many of which share a millisecond or are at the bounds of days."""
    for user in range(count):
        zone = ZoneInfo(rng.choice(ZONES))
        start = datetime.combine(rng.choice(DAYS), datetime.min.time(), zone).astimezone(UTC)
        step = timedelta(milliseconds=rng.choice([1, 500, 40 * 60_000, 7 * 3_600_000]))
        for _ in range(rng.choice([1, 2, 3, 5, 8, 11])):
            yield {
                "occurred_at": (start + step * rng.randint(-3, 6)).isoformat(
                    timespec="milliseconds"
                ),
                "user_id": f"u{user}",
                "event_type": rng.choice("aabbccd"),
                "properties": rng.choice([{}, {"plan": 1}, {"plan": 2}, {"plan": "x"}]),
            }


def any_question(
    rng: random.Random, order: str, events: Sequence[Event]
) -> tuple[Question, Asked, Sequence[Event]]:
    steps = rng.choices([*STEPS], [6, 6, 6, 2, 2, 3, 2, 1, 0.3], k=rng.choice([2, 3, 4, 4, 6, 10]))
    segment = rng.choice([*SEGMENTS])
    zone, [start, end] = rng.choice(ZONES), sorted(rng.choices(DAYS, k=2))
    window = rng.choice([timedelta(seconds=n) for n in (1, 2, 3_600, 40 * 60 * 3, 86_400, 604_800)])
    question = Question(
        project=DEFAULT,
        zone=Zone(zone, lambda: "UTC"),
        start=start,
        end=end,
        now=datetime(2026, 4, 2, tzinfo=UTC),
        steps=[parse_segments([text]) for text in steps],
        window=window,
        order=order,  # type: ignore[arg-type]
        segments=parse_segments([segment] if segment else []),
        by=rng.choice([None, parse_field("properties.plan"), parse_field("event_type")]),
        top=rng.choice([1, 2, 10]),
    )
    asked = Asked(start, end, zone, [STEPS[it] for it in steps], milliseconds(window), order)
    return question, asked, [event for event in events if SEGMENTS[segment](event)]


def compare(
    rng: random.Random,
    question: Question,
    asked: Asked,
    events: Sequence[Event],
    *,
    every_line: bool = False,
) -> Counter[int]:
    """Raises AssertionError where a user or a number differs. Returns how many came how far.

    The people are listed of two numbers, or of those of `every_line`.
    """
    of_users: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_users[event["user_id"]].append(event)
    expected = {user: times for user, own in of_users.items() if (times := took(own, asked))}
    if asked.order == "any":
        levels = {user: most_in_any_window(own, asked) for user, own in of_users.items()}
        assert {user: len(times) for user, times in expected.items()} == {
            user: level for user, level in levels.items() if level
        }
    values = found_values(question)
    assert {user: times for user, (_, times) in values.items()} == expected, question
    if question.by:
        for user, (value, _) in values.items():
            first = entered_with(of_users[user], asked)
            assert value in {value_of(event, question) for event in first}
    answer = funnel(question)
    count = len(asked.steps)
    assert answer.steps == steps(expected.values(), count)
    if asked.order != "any":
        assert answer.steps[0].users == users_of_trend(question)
    compare_lines(answer, question, values, count)
    compare_people(None if every_line else rng, question, answer, values)
    return Counter(len(times) for times in expected.values())


def users_of_trend(question: Question) -> Any:
    """The users of the first step by the report of trends."""
    given = {name: getattr(question, name) for name in ("project", "zone", "start", "end", "now")}
    series = [("first step", question.steps[0])]
    asked = TrendQuestion(**given, segments=question.segments, series=series)
    return trend(asked).main.lines[0].total.value


def found_values(question: Question) -> dict[str, tuple[str | None, list[int]]]:
    """What ClickHouse says of each user: the value of the first entry, and the times."""
    sql, parameters = users(question)
    value = "value" if question.by else "NULL"
    rows = clickhouse.query(
        f"SELECT user_id, {value}, took FROM ({sql}) AS found"
        " JOIN (SELECT DISTINCT user_hash, user_id FROM users) AS known USING user_hash",
        project=DEFAULT,
        parameters=parameters,
    )
    return {user: (value, [int(time) for time in times]) for user, value, times in rows}


def value_of(event: Event, question: Question) -> str | None:
    assert question.by
    if question.by.name == "event_type":
        return str(event["event_type"])
    plan = event["properties"].get("plan")
    return None if plan is None else str(plan)


def steps(times: Any, count: int) -> list[Step]:
    found = []
    for n in range(count):
        at = [one[n] for one in times if len(one) > n]
        found.append(Step(len(at), float(median(at)) if at else None))
    return found


def compare_lines(
    answer: Funnel, question: Question, users: dict[str, tuple[str | None, list[int]]], count: int
) -> None:
    if question.by is None:
        assert (answer.lines, answer.other) == ((), None)
        return
    by_value: dict[str | None, list[list[int]]] = defaultdict(list)
    for value, times in users.values():
        by_value[value].append(times)
    unset = by_value.pop(None, [])
    ranked = sorted(by_value, key=lambda value: (-len(by_value[value]), value or ""))
    expected = [(value, steps(by_value[value], count)) for value in ranked[: question.top]]
    rest = [times for value in ranked[question.top :] for times in by_value[value]]
    if unset:
        expected.append((None, steps(unset, count)))
    assert [tuple(line) for line in answer.lines] == expected
    assert answer.other == (steps(rest, count) if rest else None)


def compare_people(
    rng: random.Random | None,
    question: Question,
    answer: Funnel,
    users: dict[str, tuple[str | None, list[int]]],
) -> None:
    """The people behind numbers: those who came to a step, and those who did not come to it."""
    step = rng.randint(2, len(answer.steps)) if rng else 2
    first = answer.lines[0].value if answer.lines else None
    shown = [line.value for line in answer.lines]
    for dropped in (False, True):
        cells: list[tuple[Cell, Callable[[str | None], bool]]] = [
            (Cell(step, dropped), lambda value: True)
        ]
        if question.by:
            cells += [
                (Cell(step, dropped, OfLine(rest="unset")), lambda value: value is None),
                (
                    Cell(step, dropped, OfLine(rest="other")),
                    lambda value: value not in [None, *shown],
                ),
            ]
        if first is not None:
            cells.append((Cell(step, dropped, OfLine(first)), lambda value: value == first))
        for cell, holds in [rng.choice(cells)] if rng else cells:
            expected = {
                user
                for user, (value, times) in users.items()
                if holds(value) and (len(times) == step - 1 if dropped else len(times) >= step)
            }
            assert listed(question, cell) == expected, cell


def listed(question: Question, cell: Cell) -> set[str]:
    sql, parameters = people(question, cell)
    found = people_of(sql, parameters, project=DEFAULT, limit=1_000)
    assert found.total == len(found.users)
    return {user.user_id for user in found.users}
