"""Compares blocks through ClickHouse's Buffer engine with blocks inserted into the table itself.

With the buffer, a block is confirmed when it is in memory. It reaches the table, and the rollups
that reports read, 1 to 10 seconds later. Both moments are measured: a count of `events_buffer`
includes the rows that wait and those that have arrived.
"""

import time
from collections.abc import Iterator, Mapping

from bench import ingest, processes, sample, table
from bench.stack import Stack
from bench.variants import compare

_SMALL = 10
# The wait after the last confirmation, with and without the buffer: longer than the buffer keeps
# rows. Merges go on meanwhile.
_REST_SECONDS = 12.0
_BLOCKS = "SELECT sum(value) FROM system.events WHERE event = 'MergeTreeDataWriterBlocks'"

VARIANTS = [
    compare.Variant("direct", {"CLICKHOUSE_USE_BUFFER": "false"}),
    compare.Variant("buffer", {"CLICKHOUSE_USE_BUFFER": "true"}),
    # Each request is a block of its own: the case for which ClickHouse is said to need the buffer.
    compare.Variant(
        "direct, blocks not merged",
        {
            "CLICKHOUSE_USE_BUFFER": "false",
            "CLICKHOUSE_BATCH_SIZE": str(_SMALL),
            "DELIVERY_LINGER_MILLISECONDS": "0",
        },
    ),
    compare.Variant(
        "buffer, blocks not merged",
        {
            "CLICKHOUSE_USE_BUFFER": "true",
            "CLICKHOUSE_BATCH_SIZE": str(_SMALL),
            "DELIVERY_LINGER_MILLISECONDS": "0",
        },
    ),
]


def run(*, events: int, rounds: int) -> str:
    def measure(
        running: Stack, variant: compare.Variant
    ) -> Iterator[tuple[str, Mapping[str, float]]]:
        ingest.warm(running)
        yield "batches of 1,000", _figures(running, events, size=1000, clients=4)
        yield f"batches of {_SMALL}", _figures(running, events // 5, size=_SMALL, clients=32)

    found = compare.interleaved(VARIANTS, measure, rounds=rounds)
    return table.of_variants("inserts", found)


def _figures(running: Stack, events: int, *, size: int, clients: int) -> dict[str, float]:
    bodies = sample.bodies(events, size=size, seed=size, days=6)
    running.ask("OPTIMIZE TABLE events_buffer")
    arrived, blocks = running.delivered(), int(running.ask(_BLOCKS))
    used, began = processes.cpu_seconds(running), time.perf_counter()
    sent = ingest.send(running, bodies, events, clients=clients, table="events_buffer")
    confirmed = time.perf_counter()
    running.wait_for(arrived + events)
    seconds = time.perf_counter() - began
    time.sleep(max(0.0, confirmed + _REST_SECONDS - time.perf_counter()))
    return {
        "events/s, all confirmed": sent.rate,
        "events/s, all in reports": events / seconds,
        "ClickHouse, s of CPU": ingest.used_since(running, used)["clickhouse"],
        "parts written": int(running.ask(_BLOCKS)) - blocks,
    }
