"""The list behind every number of a report: as many people as it says, and each belongs there."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from analytics.percent import percent
from tests.analytics.cohorts import counted as cohorts
from tests.analytics.comparison import SEGMENTS, deliver
from tests.analytics.funnels import counted as funnels
from tests.analytics.oracle import Event, Matches, day

pytestmark = pytest.mark.usefixtures("stores")

# All numbers of 200 random reports with REPORTS=200.
REPORTS = int(os.environ.get("REPORTS", "0"))
ZONES = ("UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Kyiv")
# Over both changes of the clock in Kyiv, and over months and weeks.
FIRST = date(2026, 3, 20)
TYPES = ("event_type:buy", "event_type:view", "properties.plan:42", "properties.plan:true")


Belongs: TypeAlias = Callable[[Sequence[Event]], bool]


PLANS: list[dict[str, Any]] = [
    *({}, {}, {"plan": 42}, {"plan": 42}, {"plan": 7}, {"plan": True}),
    *({"plan": ""}, {"plan": "a&b=c+d %2B"}, {"plan": "Олена\n'\\"}, {"plan": "x" * 1_000}),
]


class Number(NamedTuple):
    """A number of a report: what its list is asked, how many it says, and who belongs there.

    `people` is None for a number that does not count people.
    """

    query: str
    people: int | None
    belongs: Belongs
    share: tuple[float, int] | None = None
    """What it says in per cent, and of how many people."""


def history(rng: random.Random) -> list[Event]:
    moments = [datetime(2026, 3, 20, tzinfo=UTC) + timedelta(hours=3 * n) for n in range(100)]
    return [
        {
            "occurred_at": rng.choice(moments).isoformat(timespec="milliseconds"),
            "user_id": f"u/{rng.randint(1, 25)}",
            "event_type": rng.choice(["buy", "view", "view", "Buy"]),
            "properties": rng.choice(PLANS),
        }
        for _ in range(150)
    ]


def test_every_number_leads_to_its_people(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 0
    rng = random.Random(7)
    events = history(rng)
    deliver(events, blocks=2, again=True)
    timelines = {user: timeline(client, user) for user in {event["user_id"] for event in events}}
    assert sum(map(len, timelines.values())) == len(events)
    for n in range(REPORTS or len(KINDS)):
        numbers = list(KINDS[n % len(KINDS)](rng, client))
        for number in numbers if REPORTS else rng.sample(numbers, min(4, len(numbers))):
            path, query = number.query.split("?")
            found = get(client, f"/stats/{path}/users?{query}&limit=1000")
            listed = [user["user_id"] for user in found["users"]]
            assert sorted(listed) == sorted(
                user for user, own in timelines.items() if number.belongs(own)
            ), number.query
            assert found["total"] == len(listed)
            assert number.people in (None, len(listed)), number.query
            if number.share:
                assert percent(len(listed), number.share[1]) == number.share[0]


def timeline(client: Client, user: str) -> list[Event]:
    found: list[Event] = get(client, f"/users/{quote(user, safe='')}/events?limit=1000")["events"]
    assert {event["user_id"] for event in found} == {user}
    return found


def get(client: Client, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.content)
    return answer.json()


def any_range(rng: random.Random) -> tuple[date, date, str, str]:
    start = FIRST + timedelta(days=rng.randint(0, 8))
    end = start + timedelta(days=rng.randint(0, 9))
    zone = rng.choice(ZONES)
    return start, end, zone, f"from={start}&to={end}&tz={zone}"


def any_segment(rng: random.Random) -> tuple[str, Matches]:
    text = rng.choice(["", *TYPES])
    return (f"&segment={text}", SEGMENTS[text]) if text else ("", lambda event: True)


def days_of(rng: random.Random, client: Client) -> Iterator[Number]:
    *_, zone, query = any_range(rng)
    segment, matches = any_segment(rng)
    for row in get(client, f"/stats/dau?{query}{segment}"):
        at = row["date"]
        yield Number(
            f"dau?{query}{segment}&at={at}", row["unique_users"], within(matches, at, at, zone)
        )


def types_of(rng: random.Random, client: Client) -> Iterator[Number]:
    start, end, zone, query = any_range(rng)
    segment, matches = any_segment(rng)

    def belongs(kind: str) -> Belongs:
        def counts(event: Event) -> bool:
            return matches(event) and bool(event["event_type"] == kind)

        return within(counts, str(start), str(end), zone)

    for row in get(client, f"/stats/top-events?{query}{segment}"):
        kind = row["event_type"]
        yield Number(f"top-events?{query}{segment}&event_type={kind}", None, belongs(kind))


def active_days_of(rng: random.Random, client: Client) -> Iterator[Number]:
    start, end, zone, query = any_range(rng)
    segment, matches = any_segment(rng)

    def belongs(days: int) -> Belongs:
        def came(own: Sequence[Event]) -> bool:
            on = {day(event, zone) for event in own if matches(event)}
            return len(on & days_between(start, end)) == days

        return came

    for row in get(client, f"/stats/active-days?{query}{segment}")["days"]:
        days = row["days"]
        yield Number(f"active-days?{query}{segment}&days={days}", row["users"], belongs(days))


def days_between(start: date, end: date) -> set[date]:
    return {start + timedelta(days=n) for n in range((end - start).days + 1)}


def retained(rng: random.Random, client: Client) -> Iterator[Number]:
    start, _, zone, _ = any_range(rng)
    segment, matches = any_segment(rng)
    query = f"start_date={start}&windows=3&tz={zone}{segment}"
    for row in get(client, f"/stats/retention?{query}"):
        for k in range(4):
            asked = cohorts.Asked(
                "week", "first_ever", "on", start, date(2099, 1, 1), today(zone), 3, zone
            )
            if row[f"week_{k}"] is not None:
                yield Number(
                    f"retention?{query}&at={row['cohort_week']}&week={k}",
                    row["week_0"] if k == 0 else None,
                    in_cohort(asked, matches, date.fromisoformat(row["cohort_week"]), k),
                    (row[f"week_{k}"], row["week_0"]) if k else None,
                )


def cohorts_of(rng: random.Random, client: Client) -> Iterator[Number]:
    start, end, zone, query = any_range(rng)
    segment, matches = any_segment(rng)
    unit, cohort = (
        rng.choice(["day", "week"]),
        rng.choice(["first_ever", "first_in_range", "active"]),
    )
    mode = rng.choice(["on", "on_or_after"])
    query += f"{segment}&unit={unit}&cohort={cohort}&mode={mode}&periods=4"
    asked = cohorts.Asked(unit, cohort, mode, start, end, today(zone), 4, zone)
    for row in get(client, f"/stats/cohorts?{query}"):
        for one in row["periods"] if row["cohort"] else []:
            if one["users"] is not None:
                at, k = date.fromisoformat(row["cohort"]), one["period"]
                yield Number(
                    f"cohorts?{query}&at={at}&period={k}",
                    one["users"],
                    in_cohort(asked, matches, at, k),
                )


def in_cohort(asked: cohorts.Asked, matches: Matches, at: date, period: int) -> Belongs:
    def belongs(own: Sequence[Event]) -> bool:
        found = cohorts.table([event for event in own if matches(event)], asked)
        return at in found and bool(found[at][period])

    return belongs


def today(zone: str) -> date:
    return datetime.now(ZoneInfo(zone)).date()


def funnel_of(rng: random.Random, client: Client) -> Iterator[Number]:
    start, end, zone, query = any_range(rng)
    segment, matches = any_segment(rng)
    order, texts = rng.choice(["ordered", "strict", "any"]), rng.choices(TYPES, k=rng.randint(2, 4))
    steps = "".join(f"&step={text}" for text in texts)
    query += f"{segment}{steps}&window=2d&order={order}"
    asked = funnels.Asked(start, end, zone, [SEGMENTS[it] for it in texts], 2 * 86_400_000, order)
    rows = get(client, f"/stats/funnel?{query}")["steps"]

    def belongs(step: int, *, dropped: bool = False) -> Belongs:
        def came(own: Sequence[Event]) -> bool:
            reached = len(funnels.took([event for event in own if matches(event)], asked))
            return reached == step - 1 if dropped else reached >= step

        return came

    for step, row in enumerate(rows, start=1):
        yield Number(f"funnel?{query}&reached={step}", row["users"], belongs(step))
    for step, (before, row) in enumerate(pairwise(rows), start=2):
        left = before["users"] - row["users"]
        yield Number(f"funnel?{query}&dropped={step}", left, belongs(step, dropped=True))


def trend_of(rng: random.Random, client: Client) -> Iterator[Number]:
    *_, zone, query = any_range(rng)
    segment, matches = any_segment(rng)
    measure = rng.choice(["users", "new_users", "events", "users_7d", "sum(properties.plan)"])
    unit = rng.choice(["day", "week", "month"] + ["hour"] * (measure != "users_7d"))
    is_new = measure == "new_users"
    by = None if is_new else rng.choice([None, "properties.plan", "event_type"])
    query += f"{segment}&unit={unit}&measure={measure}&top={rng.choice([1, 3])}&compare=previous"
    query += f"&by={by}" if by else ""
    answer = get(client, f"/stats/trends?{query}")
    shown = [line["value"] for line in answer["series"]]
    periods = [("main", answer), ("compared", answer["compare"])]
    for period, found in periods:
        lines = [(line, line.get("value"), False) for line in found["series"]]
        lines += [(found["other"], None, True)] if "other" in found else []
        for line, value, is_other in lines:
            which = f"{query}&period={period}" + of_line(by, value, is_other=is_other)

            def counts(event: Event, value: str | None = value, is_other: bool = is_other) -> bool:
                if not matches(event) or not has_number(event, measure):
                    return False
                if by is None:
                    return True
                own = value_of(event, by)
                return own not in [None, *shown] if is_other else own == value

            yield Number(
                f"trends?{which}",
                line["total"] if "users" in measure else None,
                within(counts, found["from"], found["to"], zone, is_new=is_new),
            )
            for point in line["points"]:
                first = point["start"]
                if measure == "users_7d":
                    first = str(date.fromisoformat(point["end"]) - timedelta(days=6))
                yield Number(
                    f"trends?{which}&at={quote(point['start'])}",
                    point["value"] if "users" in measure else None,
                    within(counts, first, point["end"], zone, is_new=is_new),
                )


def of_line(by: str | None, value: str | None, *, is_other: bool) -> str:
    if by is None:
        return ""
    if is_other:
        return "&line=other"
    return "&line=unset" if value is None else f"&value={quote(value, safe='')}"


def within(counts: Matches, first: str, last: str, zone: str, *, is_new: bool = False) -> Belongs:
    """Whether an event counts on the days from the first to the last, or between two moments.

    `is_new`: whether the first one that counts is there.
    """

    def is_in(event: Event) -> bool:
        if "T" in first:
            at = datetime.fromisoformat(event["occurred_at"])
            return datetime.fromisoformat(first) <= at < datetime.fromisoformat(last)
        return first <= day(event, zone).isoformat() <= last

    def came(own: Sequence[Event]) -> bool:
        counted = [event for event in own if counts(event)]
        if is_new:
            counted = sorted(counted, key=lambda it: datetime.fromisoformat(it["occurred_at"]))[:1]
        return any(map(is_in, counted))

    return came


def has_number(event: Event, measure: str) -> bool:
    plan = event["properties"].get("plan")
    is_number = isinstance(plan, int) and not isinstance(plan, bool)
    return not measure.startswith("sum") or is_number


def value_of(event: Event, by: str) -> str | None:
    if by == "event_type":
        return str(event["event_type"])
    plan = event["properties"].get("plan")
    return None if plan is None else "true" if plan is True else str(plan)


KINDS = (days_of, types_of, active_days_of, retained, cohorts_of, funnel_of, trend_of)
