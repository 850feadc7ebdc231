"""The count at the end: each promised event once in each layer of its project, and nowhere else.

And the rollups are equal to a recount, in days of the project's zone.
"""

import json
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import psycopg
import redis

from projects.numbers import DEFAULT
from tests.faults.clients import number_of
from tests.faults.places import NEVER, PROMISED, Place, Places


def rollups(zone: str = "UTC") -> dict[str, tuple[str, str]]:
    """Each rollup as it reads, and the same from the raw rows in days of the zone."""
    day = f"toDate(occurred_at, '{zone}')"
    # See analytics/schema/0004_weekly_users.sql.
    week = f"intDiv(toUInt16(toUInt16({day}) + 3), 7)"
    weeks = (
        f"sipHash64(user_id), intDiv({week}, 128) AS epoch, min({week}),"
        f" groupBitOr(bitShiftLeft(toUInt128(1), {week} % 128)) FROM events GROUP BY ALL"
    )
    return {
        "daily_events": (
            "SELECT day, event_type, sum(events) AS n FROM daily_events GROUP BY ALL HAVING n != 0",
            f"SELECT {day}, event_type, count() FROM events GROUP BY ALL",
        ),
        "daily_users": (
            "SELECT DISTINCT day, user_hash FROM daily_users",
            f"SELECT DISTINCT {day}, sipHash64(user_id) FROM events",
        ),
        "daily_users_by_type": (
            "SELECT DISTINCT event_type, day, user_hash FROM daily_users_by_type",
            f"SELECT DISTINCT event_type, {day}, sipHash64(user_id) FROM events",
        ),
        "weekly_users": (
            "SELECT user_hash, epoch, min(first_week), groupBitOr(weeks)"
            " FROM weekly_users GROUP BY ALL",
            f"SELECT {weeks}",
        ),
        "weekly_users_by_type": (
            "SELECT event_type, user_hash, epoch, min(first_week), groupBitOr(weeks)"
            " FROM weekly_users_by_type GROUP BY ALL",
            f"SELECT event_type, {weeks}",
        ),
        "users": (
            "SELECT user_hash, user_id, min(first_at), max(last_at) FROM users GROUP BY ALL",
            "SELECT sipHash64(user_id), user_id, min(occurred_at), max(occurred_at)"
            " FROM events GROUP BY ALL",
        ),
    }


ROLLUPS = rollups()


def differing(pairs: Mapping[str, tuple[str, str]]) -> str:
    """A query: the rollups that differ from the other query of their pair, and in how many rows.

    Each of the two has no row twice. Rows are compared as texts, so that all tables are grouped at
    once: that takes half the time of an EXCEPT in both directions for each.
    """
    both = " UNION ALL ".join(
        f"SELECT '{table}' AS name, toString(tuple(* EXCEPT (side))) AS line, side"
        f" FROM (SELECT *, 1 AS side FROM ({kept}) UNION ALL SELECT *, -1 FROM ({recounted}))"
        for table, (kept, recounted) in pairs.items()
    )
    odd = f"SELECT name FROM ({both}) GROUP BY name, line HAVING sum(side) != 0"
    return f"SELECT name, count() FROM ({odd}) GROUP BY name"


class Audit(NamedTuple):
    """What was found in all projects together; all but the first two must be 0.

    `misplaced` are rows of events that were never sent to the project that has them. `leftovers`
    are databases, tables of ids, events and batches of no project, and batches set aside.
    """

    cold: int
    hot: int
    lost: int
    doubled_cold: int
    doubled_hot: int
    not_hot: int
    not_known: int
    unlike: int
    misplaced: int
    rollup_differences: int
    leftovers: int = 0

    @property
    def clean(self) -> bool:
        return not any(self[2:])


class _Row(NamedTuple):
    number: int
    copy: int
    project: str
    recent: bool


def ask(url: str, sql: str, database: str = "") -> list[list[object]]:
    """Rows of a query straight to the engine."""
    parts = urlsplit(url)
    query = f"query={quote(sql + ' FORMAT JSONCompact')}&database={database}"
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}/?{query}",
        headers={"X-ClickHouse-Key": parts.password or ""},
    )
    with urllib.request.urlopen(request) as answer:
        rows: list[list[object]] = json.load(answer)["data"]
        return rows


def audit(places: Places, *, clickhouse: str, postgres: str, window_start: str) -> Audit:
    """Compare what the clients were promised with both stores, all of it at rest."""
    with psycopg.connect(postgres) as connection:
        each = [_of(place, clickhouse, connection, window_start) for place in places.stay]
        leftovers = _leftovers(places, clickhouse, connection)
    return Audit(*map(sum, zip(*each, strict=True)))._replace(leftovers=leftovers)


def _of(place: Place, clickhouse: str, connection: psycopg.Connection, window_start: str) -> Audit:
    database = _database(clickhouse, place)
    cold = _rows(ask(clickhouse, _COLD.format(window_start=window_start), database))
    hot = _rows(connection.execute(_HOT, [window_start, place.number]))
    ids = connection.execute(f"SELECT event_id::text FROM dedup_{place.number}")
    known = {number_of(event_id) for [event_id] in ids}
    cold_copies = {row.number: row.copy for row in cold}
    hot_copies = {row.number: row.copy for row in hot}
    recent = {row.number for row in cold if row.recent}
    promised = [n for n, state in enumerate(place.states) if state == PROMISED]
    unlike = ask(clickhouse, differing(rollups(place.zone)), database)
    return Audit(
        cold=len(cold),
        hot=len(hot),
        lost=sum(n not in cold_copies for n in promised),
        doubled_cold=len(cold) - len(cold_copies),
        doubled_hot=len(hot) - len(hot_copies),
        not_hot=len(recent ^ hot_copies.keys()),
        not_known=len(known ^ cold_copies.keys()),
        unlike=sum(hot_copies[n] != cold_copies[n] for n in recent & hot_copies.keys()),
        misplaced=sum(
            row.project != place.slug or place.state(row.number) == NEVER for row in [*cold, *hot]
        )
        + sum(place.state(n) == NEVER for n in known),
        rollup_differences=sum(int(str(rows)) for _, rows in unlike),
    )


_COLD = (
    "SELECT toString(event_id), JSONExtractInt(properties_text, 'copy'),"
    " JSONExtractString(properties_text, 'project'),"
    " occurred_at >= toDateTime64('{window_start}', 3, 'UTC') FROM events"
)
_HOT = (
    "SELECT event_id::text, (properties->>'copy')::int, properties->>'project', true"
    " FROM hot_events"
    " WHERE occurred_at >= %s::timestamp AT TIME ZONE 'UTC' AND project_id = %s"
)


def _rows(found: Iterable[Sequence[Any]]) -> list[_Row]:
    return [
        _Row(number_of(event_id), copy, project, bool(recent))
        for event_id, copy, project, recent in found
    ]


def _database(clickhouse: str, place: Place) -> str:
    default = urlsplit(clickhouse).path.strip("/")
    return default if place.number == DEFAULT else f"{default}_{place.number}"


def _leftovers(places: Places, clickhouse: str, connection: psycopg.Connection) -> int:
    """What there is of deleted projects, or of ones that never were."""
    known = [*places.stay, *places.doomed]
    databases = [_database(clickhouse, place) for place in known]
    made = f"SELECT name FROM system.databases WHERE startsWith(name, '{databases[0]}_')"
    strange = {str(name) for [name] in ask(clickhouse, made)} - {*databases}
    [rows] = connection.execute(_LEFTOVERS, {"known": [place.number for place in known]})
    return len(strange) + int(rows[0])


_LEFTOVERS = """
    SELECT (
        SELECT count(*) FROM pg_tables WHERE tablename ~ '^dedup_'
        AND tablename <> ALL(SELECT 'dedup_' || known FROM unnest(%(known)s::int[]) AS known)
    ) + (
        SELECT count(*) FROM hot_events WHERE project_id <> ALL(%(known)s)
    ) + (
        SELECT count(*) FROM batches WHERE project_id <> ALL(%(known)s)
        OR state IN ('failed', 'unstored', 'discarded')
    )
"""


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
