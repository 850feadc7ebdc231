"""Compares how many children a worker has, and how many messages it holds for each child."""

from collections.abc import Iterator, Mapping

from bench import ingest, sample, table
from bench.stack import Stack
from bench.variants import compare

_PREFETCH, _CONCURRENCY = 100, 2
_FEWEST_REQUESTS = 200


def _variant(prefetch: int, concurrency: int) -> compare.Variant:
    return compare.Variant(
        f"prefetch {prefetch}, concurrency {concurrency}",
        {"WORKER_PREFETCH": str(prefetch), "WORKER_CONCURRENCY": str(concurrency)},
    )


# The defaults come first.
VARIANTS = [
    _variant(_PREFETCH, _CONCURRENCY),
    *(_variant(prefetch, _CONCURRENCY) for prefetch in (1, 10, 400)),
    *(_variant(_PREFETCH, concurrency) for concurrency in (1, 4)),
]


def run(*, events: int, requests: int, rounds: int) -> str:
    def measure(
        running: Stack, variant: compare.Variant
    ) -> Iterator[tuple[str, Mapping[str, float]]]:
        ingest.warm(running)
        bodies = sample.bodies(events, size=1000, days=6)
        yield "batches of 1,000", _figures(running, bodies, events, clients=4)
        count = _requests(requests, int(variant.variables["WORKER_PREFETCH"]))
        bodies = sample.bodies(count, size=1, seed=2, days=6)
        yield "one event a request", _figures(running, bodies, count, clients=32)

    found = compare.interleaved(VARIANTS, measure, rounds=rounds)
    return table.of_variants("worker", found)


def _requests(requests: int, prefetch: int) -> int:
    """Fewer for a small prefetch: each batch then waits for more messages until its time is up."""
    return max(min(requests, _FEWEST_REQUESTS), requests * min(prefetch, _PREFETCH) // _PREFETCH)


def _figures(running: Stack, bodies: list[bytes], events: int, *, clients: int) -> dict[str, float]:
    sent = ingest.send(running, bodies, events, clients=clients)
    latency = sent.answers.percentile(0.99)
    return {"events/s": sent.rate, "p99, ms": latency, **sent.cpu_each(events)}
