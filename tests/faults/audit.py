"""The count at the end: each promised event once in each layer, rollups equal to a recount."""

import json
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import psycopg
import redis

from tests.faults.clients import Clients, number_of

# Each rollup as it reads, and the same from the raw rows.
_WEEK = "intDiv(toUInt16(toDate(occurred_at)) + 3, 7)"
ROLLUPS = {
    "daily_events": (
        "SELECT day, event_type, sum(events) AS n FROM daily_events GROUP BY ALL HAVING n != 0",
        "SELECT toDate(occurred_at), event_type, count() FROM events GROUP BY ALL",
    ),
    "daily_users": (
        "SELECT DISTINCT day, user_hash FROM daily_users",
        "SELECT DISTINCT toDate(occurred_at), sipHash64(user_id) FROM events",
    ),
    "daily_users_by_type": (
        "SELECT DISTINCT event_type, day, user_hash FROM daily_users_by_type",
        "SELECT DISTINCT event_type, toDate(occurred_at), sipHash64(user_id) FROM events",
    ),
    "weekly_users": (
        "SELECT user_hash, epoch, min(first_week), groupBitOr(weeks)"
        " FROM weekly_users GROUP BY ALL",
        f"SELECT sipHash64(user_id), intDiv({_WEEK}, 128) AS epoch, min({_WEEK}),"
        f" groupBitOr(bitShiftLeft(toUInt128(1), {_WEEK} % 128)) FROM events GROUP BY ALL",
    ),
    "weekly_users_by_type": (
        "SELECT event_type, user_hash, epoch, min(first_week), groupBitOr(weeks)"
        " FROM weekly_users_by_type GROUP BY ALL",
        f"SELECT event_type, sipHash64(user_id), intDiv({_WEEK}, 128) AS epoch, min({_WEEK}),"
        f" groupBitOr(bitShiftLeft(toUInt128(1), {_WEEK} % 128)) FROM events GROUP BY ALL",
    ),
}


class Audit(NamedTuple):
    """What was found; all but the first two must be 0."""

    cold: int
    hot: int
    lost: int
    doubled_cold: int
    doubled_hot: int
    not_hot: int
    unlike: int
    strangers: int
    rollup_differences: int

    @property
    def clean(self) -> bool:
        return not any(self[2:])


def ask(url: str, sql: str) -> list[list[object]]:
    """Rows of a query straight to the engine."""
    parts = urlsplit(url)
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}/?query={quote(sql + ' FORMAT JSONCompactEachRow')}",
        headers={"X-ClickHouse-Key": parts.password or ""},
    )
    with urllib.request.urlopen(request) as answer:
        return [json.loads(line) for line in answer]


def audit(clients: Clients, *, clickhouse: str, postgres: str, window_start: str) -> Audit:
    """Compare what the clients were promised with both stores, all of it at rest."""
    cold = ask(clickhouse, _COLD.format(window_start=window_start))
    with psycopg.connect(postgres) as connection:
        hot = connection.execute(_HOT, [window_start]).fetchall()
    cold_copies = {number_of(str(i)): (copy, recent) for i, copy, recent in cold}
    hot_copies = {number_of(str(i)): copy for i, copy in hot}
    promised = [n for n, yes in enumerate(clients.accepted) if yes]
    recent = {n for n, (_, is_recent) in cold_copies.items() if is_recent}
    return Audit(
        cold=len(cold),
        hot=len(hot),
        lost=sum(n not in cold_copies for n in promised),
        doubled_cold=len(cold) - len(cold_copies),
        doubled_hot=len(hot) - len(hot_copies),
        not_hot=len(recent ^ hot_copies.keys()),
        unlike=sum(hot_copies[n] != cold_copies[n][0] for n in recent & hot_copies.keys()),
        strangers=sum(n >= len(clients.accepted) for n in cold_copies),
        rollup_differences=sum(_differing(clickhouse, *pair) for pair in ROLLUPS.values()),
    )


_COLD = (
    "SELECT toString(event_id), JSONExtractInt(properties_text, 'copy'),"
    " occurred_at >= toDateTime64('{window_start}', 3, 'UTC') FROM events"
)
_HOT = (
    "SELECT event_id::text, (properties->>'copy')::int FROM hot_events"
    " WHERE occurred_at >= %s::timestamp AT TIME ZONE 'UTC'"
)


def _differing(url: str, kept: str, recounted: str) -> int:
    rows = 0
    for one, other in ((kept, recounted), (recounted, kept)):
        [[count]] = ask(url, f"SELECT count() FROM ({one} EXCEPT {other})")
        rows += int(str(count))
    return rows


def waiting(variables: Mapping[str, str]) -> int:
    """Messages on the queue or with a worker, and batches not delivered.

    In the order of an event's way: one that moves on meanwhile is counted twice, and never missed.
    """
    messages = queued(variables)
    with psycopg.connect(variables["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM batches WHERE state = 'pending'").fetchone()
    return messages + int(row[0] if row else 0)


def queued(variables: Mapping[str, str]) -> int:
    """Messages on the queue or with a worker."""
    with redis.Redis.from_url(variables["REDIS_URL"]) as queue:
        lists = sum(int(queue.llen(name)) for name in ("celery", "celery.taken"))
        return lists + int(queue.hlen("unacked"))
