"""Makes a long history inside ClickHouse and measures the reports about it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import load
from bench.stack import Stack

_FILL = Path(__file__).with_suffix(".sql").read_text()
_QUERIES = Path(__file__).parent.parent / "analytics" / "queries"
_ROLLUPS = ("daily_events", "daily_users", "daily_users_by_type", "weekly_users", "users")
_SLICE = 2_000_000
# As long as a process believes that a property has no column.
KEPT_SECONDS = 5
_ASKED = 10


def fill(running: Stack, events: int, *, users: int) -> float:
    """Make the events. Returns the seconds, including the merge of the rollups' parts."""
    began = time.perf_counter()
    last = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    for first in range(0, events, _SLICE):
        count = min(_SLICE, events - first)
        running.ask(_FILL, first=first, count=count, users=users, last=last)
    for table in _ROLLUPS:
        running.ask(f"OPTIMIZE TABLE {table} FINAL")
    return time.perf_counter() - began


def speed_up(running: Stack, path: str) -> float:
    """Give the property a column of its own. Returns the seconds."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", "speed_up_property", f"properties.{path}"],
        env={**os.environ, **running.variables()},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    time.sleep(KEPT_SECONDS)
    return time.perf_counter() - began - KEPT_SECONDS


def latencies(running: Stack, *, segment: str = "") -> Iterator[tuple[str, float]]:
    """The reports, each with its median latency in milliseconds."""
    return _latencies(running, _paths(segment))


def looks(running: Stack) -> Iterator[tuple[str, float]]:
    """The questions of a field that completes, in the same way."""
    start, end = _year()
    days = f"from={end - timedelta(days=29)}&to={end}"
    return _latencies(
        running,
        {
            "event types, 30 days": f"/event-types?{days}",
            "properties, 30 days": f"/properties?{days}",
            "properties of a type, 30 days": f"/properties?{days}&event_type=purchase",
            "values, 30 days": f"/properties/values?path=country&{days}",
            "values by prefix, 30 days": f"/properties/values?path=country&{days}&prefix=u",
            "values by prefix, 365 days": (
                f"/properties/values?path=country&from={start}&to={end}&prefix=u"
            ),
        },
    )


def _latencies(running: Stack, paths: dict[str, str]) -> Iterator[tuple[str, float]]:
    for name, path in paths.items():
        asked = [load.request("GET", path)] * _ASKED
        answers = load.run_requests(running.address, asked, clients=1)
        if set(answers.statuses) != {200}:
            raise RuntimeError(f"{path} answered {dict(answers.statuses)}")
        yield name, answers.percentile(0.5)


def trends(running: Stack) -> Iterator[tuple[str, float]]:
    """Trends, in the same way."""
    start, end = _year()
    month, half = end - timedelta(days=29), end - timedelta(days=179)
    year = f"/stats/trends?from={start}&to={end}"
    asked = {
        "trend: events by hour, 365 days": f"{year}&measure=events&unit=hour",
        "trend: users by month, 365 days": f"{year}&unit=month",
        "trend: users_7d, 180 days": f"/stats/trends?from={half}&to={end}&measure=users_7d",
        "trend: sum of a property by day, 365 days": f"{year}&measure=sum(properties.price)",
        "trend: users by country, 30 days": (
            f"/stats/trends?from={month}&to={end}&by=properties.country"
        ),
        "active days, 365 days": f"/stats/active-days?from={start}&to={end}",
    }
    return _latencies(running, asked)


def cohorts(running: Stack) -> Iterator[tuple[str, float]]:
    """Tables of cohorts, in the same way."""
    start, end = _year()
    month = f"/stats/cohorts?from={end - timedelta(days=29)}&to={end}"
    year = f"/stats/cohorts?from={start}&to={end}"
    asked = {
        "cohorts: 30 days, new users": month,
        "cohorts: 30 days, active users": f"{month}&cohort=active",
        "cohorts: 52 weeks, new users": f"{year}&unit=week",
        "cohorts: 52 weeks, active users": f"{year}&unit=week&cohort=active",
        "cohorts: 12 months, new users": f"{year}&unit=month",
        "cohorts: 30 days, purchase after signup": (
            f"{month}&start=event_type:signup&return=event_type:purchase"
        ),
        "cohorts: 30 days, properties.country:UA": f"{month}&segment=properties.country:UA",
    }
    return _latencies(running, asked)


def funnels(running: Stack) -> Iterator[tuple[str, float]]:
    """Funnels, and the people behind numbers, in the same way."""
    start, end = _year()
    month, year = f"from={end - timedelta(days=29)}&to={end}", f"from={start}&to={end}"
    steps = "&step=event_type:page_view&step=event_type:add_to_cart&step=event_type:purchase"
    asked = {
        "funnel: 3 steps, 30 days": f"/stats/funnel?{month}{steps}&window=7d",
        "funnel: 3 steps, 365 days": f"/stats/funnel?{year}{steps}&window=7d",
        "funnel: 3 steps by country, 30 days": (
            f"/stats/funnel?{month}{steps}&window=7d&by=properties.country"
        ),
        "funnel: people who dropped out, 30 days": (
            f"/stats/funnel/users?{month}{steps}&window=7d&dropped=2"
        ),
        "people of a day": f"/stats/dau/users?{month}&at={end - timedelta(days=1)}",
        "people by the beginning of their id": "/users?prefix=user-12",
        "one user": "/users/user-1",
        "timeline of a user": "/users/user-1/events",
    }
    return _latencies(running, asked)


def recounted(running: Stack) -> Iterator[tuple[str, Any, Any]]:
    """For each report its answer, and the result of counting all events, both in short form."""
    start, end = _year()
    days = {"start": start, "end": end}
    dau = [row["unique_users"] for row in _get(running, _paths("")["DAU, 365 days"])]
    raw = dict(_rows(running, "daily_active_users_raw", **days))
    counted = [int(raw.get(str(start + timedelta(days=n)), 0)) for n in range(365)]
    yield "DAU, users summed over the days", sum(dau), sum(counted)
    yield "DAU, equal days", 365, sum(a == b for a, b in zip(dau, counted, strict=True))
    top = [
        [row["event_type"], row["count"]]
        for row in _get(running, _paths("")["top events, 365 days"])
    ]
    rows = _rows(running, "top_events_raw", **days, limit=10)
    yield "top events", top, [[name, int(count)] for name, count in rows]
    yield "retention", *_retention(running)


def _retention(running: Stack) -> tuple[Any, Any]:
    """Sizes and percentages of all cohorts, as answered and as counted."""
    answered = _get(running, _paths("")["retention, 12 weeks"])
    first = _week(_quarter() + timedelta(days=6))
    last = _week(datetime.now(UTC).date())
    bounds = {"first": first, "last": last, "windows": 12, "pattern": 2**13 - 1}
    users = {(int(c), int(k)): int(n) for c, k, n in _rows(running, "retention_raw", **bounds)}
    shares = []
    for cohort in sorted({cohort for cohort, _ in users}):
        size = users[cohort, 0]
        later = range(1, min(12, last - cohort) + 1)
        percent = [(2000 * users.get((cohort, k), 0) + size) // (2 * size) / 10 for k in later]
        shares.append([size, *percent])
    shown = [
        [row["week_0"], *(row[f"week_{k}"] for k in range(1, 13) if row[f"week_{k}"] is not None)]
        for row in answered
    ]
    return shown, shares


def _year() -> tuple[date, date]:
    today = datetime.now(UTC).date()
    return today - timedelta(days=364), today


def _quarter() -> date:
    return datetime.now(UTC).date() - timedelta(weeks=12)


def _week(day: date) -> int:
    return (day - date(1969, 12, 29)).days // 7


def _paths(segment: str) -> dict[str, str]:
    start, end = _year()
    more = f"&segment={segment}" if segment else ""
    return {
        "DAU, 365 days": f"/stats/dau?from={start}&to={end}{more}",
        "top events, 365 days": f"/stats/top-events?from={start}&to={end}{more}",
        "retention, 12 weeks": f"/stats/retention?start_date={_quarter()}&windows=12{more}",
    }


def _get(running: Stack, path: str) -> Any:
    host, port = running.address
    with urllib.request.urlopen(f"http://{host}:{port}{path}") as answer:
        return json.load(answer)


def _rows(running: Stack, name: str, **parameters: Any) -> list[list[Any]]:
    sql = (_QUERIES / f"{name}.sql").read_text() + "\nFORMAT JSONCompact"
    rows: list[list[Any]] = json.loads(running.ask(sql, **parameters))["data"]
    return rows
