"""Compares how many events a request has, and how many a transaction and a block may have."""

from collections.abc import Iterator, Mapping

from bench import ingest, sample, table
from bench.stack import Stack
from bench.variants import compare

# The defaults come first.
REQUESTS = (1_000, 100, 10_000)
BLOCKS = (20_000, 10_000, 40_000, 1_000)
VARIANTS = [compare.Variant(f"{size:,}", {"CLICKHOUSE_BATCH_SIZE": str(size)}) for size in BLOCKS]
# Small blocks take long, so their number of events is divided by this.
_FEWER = 5


def run(*, events: int, rounds: int) -> str:
    def measure(
        running: Stack, variant: compare.Variant
    ) -> Iterator[tuple[str, Mapping[str, float]]]:
        ingest.warm(running)
        count = events if variant == VARIANTS[0] else events // _FEWER
        for size in REQUESTS:
            bodies = sample.bodies(count, size=size, seed=size, days=6)
            sent = ingest.send(running, bodies, count, clients=4)
            yield f"{size:,} events a request", {"events/s": sent.rate, **sent.cpu_each(count)}

    found = compare.interleaved(VARIANTS, measure, rounds=rounds)
    return table.of_variants("CLICKHOUSE_BATCH_SIZE", found, ratios_by_load=False)
