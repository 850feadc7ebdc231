"""Sample events and three reports about them, for people who are new to the service."""

import random
import shlex
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import count, islice
from typing import Any
from urllib.parse import urlencode

import urllib3

from embedded.supervision.processes import StackError

DAYS = 60
# The service takes no event of before 1970.
EARLIEST = date(1970, 1, 1) + timedelta(days=DAYS)
USERS_A_WEEK = 48
# The chance that a user is seen in the k-th week after their first; the last value also holds for
# later weeks.
COMES_BACK = (1.0, 0.46, 0.37, 0.31, 0.28, 0.25)
EVENT_TYPES = {"page_view": 62, "search": 14, "add_to_cart": 10, "video_play": 8, "purchase": 6}
COUNTRIES = {"UA": 30, "DE": 25, "PL": 20, "US": 15, "FR": 10}
PAGES = ("/", "/pricing", "/docs", "/blog", "/features")
MARK = "demo"

REQUEST_EVENTS = 1000
DELIVERY_SECONDS = 60
ROLLUP_SECONDS = 2

Event = dict[str, Any]
Say = Callable[[str], None]


def run(address: str, *, say: Say, until: date | None = None) -> None:
    """Send the sample events and show three reports about them. Raises StackError.

    They are of the days until now, or until the end of a day in the past.
    """
    now = datetime.now(UTC)
    if until:
        now = min(now, end_of(until))
    sent = list(events(now))
    totals = _send(address, sent)
    say(
        f"Sent {totals['received']} sample events of {DAYS} days to {address}/events: "
        f"{totals['accepted']} stored, {totals['duplicates']} already there."
    )
    today, first = now.date(), now.date() - timedelta(days=DAYS)
    _wait_until_delivered(address, len(sent), first, today)
    month = {"from": today - timedelta(days=13), "to": today}
    _show(address, "Users a day", "dau", month, say)
    _show(address, "Top events", "top-events", {"from": first, "to": today, "limit": 5}, say)
    weeks = {"start_date": first, "windows": 4}
    _show(address, "Retention by week, %", "retention", weeks, say)


def last_day(text: str) -> date:
    """A day that the sample events can end with. Raises ValueError, which says which days can."""
    today = datetime.now(UTC).date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.max
    if not EARLIEST <= day <= today:
        allowed = f"a day from {EARLIEST} to today, which is {today} in UTC"
        raise ValueError(f"UNTIL must be {allowed}, got {text!r}")
    return day


def end_of(day: date) -> datetime:
    return datetime.combine(day, time_of_day.max, UTC)


def events(now: datetime) -> Iterator[Event]:
    """The events until `now`. Every call gives the same events for a day."""
    monday = now.date() - timedelta(days=DAYS)
    monday += timedelta(days=-monday.weekday() % 7)
    while monday <= now.date():
        for number in range(USERS_A_WEEK):
            yield from _events_of_user(f"user-{monday:%m%d}-{number:02}", monday, now)
        monday += timedelta(weeks=1)


def _events_of_user(user_id: str, monday: date, now: datetime) -> Iterator[Event]:
    # One random generator per user, seeded by name: a user's events depend only on the user.
    chance = random.Random(user_id)  # noqa: S311
    country = _weighted(chance, COUNTRIES)
    for week in count():
        first_day = monday + timedelta(weeks=week)
        if first_day > now.date():
            return
        if chance.random() >= COMES_BACK[min(week, len(COMES_BACK) - 1)]:
            continue
        for day in sorted(chance.sample(range(7), k=chance.randint(1, 3))):
            yield from _events_of_day(chance, user_id, country, first_day + timedelta(day), now)


def _events_of_day(
    chance: random.Random, user_id: str, country: str, day: date, now: datetime
) -> Iterator[Event]:
    start = datetime.combine(day, time_of_day(6), UTC)
    for number in range(chance.randint(2, 7)):
        start += timedelta(seconds=chance.randint(5, 5400))
        event_type = _weighted(chance, EVENT_TYPES)
        properties: Event = {"source": MARK, "country": country, "page": chance.choice(PAGES)}
        if event_type == "purchase":
            properties["amount"] = chance.randint(500, 20_000) / 100
        if start <= now:
            yield {
                "event_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MARK}:{user_id}:{day}:{number}")),
                "occurred_at": start.isoformat(),
                "user_id": user_id,
                "event_type": event_type,
                "properties": properties,
            }


def _weighted(chance: random.Random, weights: Mapping[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def _send(address: str, sent: Sequence[Event]) -> dict[str, int]:
    totals = {"received": 0, "accepted": 0, "duplicates": 0}
    remaining = iter(sent)
    while batch := list(islice(remaining, REQUEST_EVENTS)):
        answer = _ask("POST", f"{address}/events?wait=true", json={"events": batch})
        for name in totals:
            totals[name] += answer[name]
    return totals


def _wait_until_delivered(address: str, expected: int, first: date, last: date) -> None:
    asked = {"from": first, "to": last, "limit": 100, "segment": f"properties.source:{MARK}"}
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        answer = _ask("GET", f"{address}/stats/top-events?{urlencode(asked)}")
        if (found := sum(row["count"] for row in answer)) >= expected:
            # A block reaches the events table a moment before the last of the rollups.
            time.sleep(ROLLUP_SECONDS)
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"only {found} of {expected} sample events reached ClickHouse within"
                f" {DELIVERY_SECONDS} s"
            )
        time.sleep(0.2)


def _show(address: str, title: str, report: str, asked: Mapping[str, object], say: Say) -> None:
    url = f"{address}/stats/{report}?{urlencode(asked)}"
    rows = _ask("GET", url)
    say(f"\n{title}\n  curl {shlex.quote(url)}\n\n{table(rows)}")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as a table with their names on top; a null is left blank."""
    if not rows:
        return "  (nothing)"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = (zip(line, widths, strict=True) for line in cells)
    return "\n".join("  " + "  ".join(cell.rjust(width) for cell, width in line) for line in lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _ask(method: str, url: str, **body: Any) -> Any:
    """The decoded answer. Raises StackError with the problem if the status is not 200."""
    try:
        answer = urllib3.request(method, url, timeout=60, retries=False, **body)
    except urllib3.exceptions.HTTPError as error:
        raise StackError(f"{method} {url} failed: {error}") from None
    if answer.status != 200:
        problem = answer.data.decode(errors="replace")
        raise StackError(f"{method} {url} answered {answer.status}: {problem}")
    return answer.json()
