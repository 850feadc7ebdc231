"""The floor: bare COPY and INSERT of the same events into the same tables, without the service."""

import json
import time
import urllib.request
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import psycopg

# The events of one transaction and one block: the service's own default.
CHUNK = 20_000
_INSERT = {
    "query": "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
    " FORMAT JSONEachRow",
    "date_time_input_format": "best_effort",
    "input_format_json_read_objects_as_strings": "1",
    "input_format_parallel_parsing": "0",
    "max_partitions_per_insert_block": "0",
}


_HOT = "event_id, occurred_at, user_id, event_type, properties, project_id"
# The default project.
_PROJECT = "1"


class Chunk(NamedTuple):
    """The data to send for CHUNK events, made before the clock starts."""

    ids: str
    rows: str
    block: bytes


def prepare(events: list[dict[str, Any]], *, hot_since: datetime) -> list[Chunk]:
    since = hot_since.isoformat()
    return [_chunk(events[start : start + CHUNK], since) for start in range(0, len(events), CHUNK)]


def _chunk(events: list[dict[str, Any]], hot_since: str) -> Chunk:
    names = ("event_id", "occurred_at", "user_id", "event_type")
    ids = "".join(f"{event['event_id']}\n" for event in events)
    rows = "".join(
        "\t".join([*(event[n] for n in names), json.dumps(event["properties"]), _PROJECT]) + "\n"
        for event in events
        if event["occurred_at"] >= hot_since
    )
    lines = [
        {**{n: event[n] for n in names}, "properties_text": event["properties"]} for event in events
    ]
    return Chunk(ids, rows, "\n".join(json.dumps(line) for line in lines).encode())


def load(chunks: list[Chunk], *, postgres: str, clickhouse: str) -> float:
    """Load each chunk: dedup and hot layer in one transaction, then ClickHouse. Returns seconds."""
    began = time.perf_counter()
    with psycopg.connect(postgres) as connection:
        for chunk in chunks:
            with connection.transaction(), connection.cursor() as cursor:
                with cursor.copy("COPY dedup_1 (event_id) FROM STDIN") as copy:
                    copy.write(chunk.ids)
                with cursor.copy(f"COPY hot_events ({_HOT}) FROM STDIN") as copy:
                    copy.write(chunk.rows)
            _insert(clickhouse, chunk.block)
    return time.perf_counter() - began


def _insert(url: str, block: bytes) -> None:
    parts = urlsplit(url)
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}/?{urlencode(_INSERT)}",
        data=block,
        headers={"X-ClickHouse-Key": parts.password or ""},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own address
        answer.read()
