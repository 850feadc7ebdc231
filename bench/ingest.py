"""Sends events over HTTP until all are in ClickHouse, and measures the CPU time of each part."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench import load, processes, sample
from bench.stack import Stack

_PARTS = ("web", "worker", "postgres", "redis", "clickhouse")
_SECONDS = 600
_WARM_EVENTS, _WARM_SIZE, _WARM_SEED = 4_000, 500, 99


class Sent(NamedTuple):
    """Events a second, what the clients saw, and the CPU seconds of each part."""

    rate: float
    answers: load.Load
    cpu: Mapping[str, float]

    def cpu_each(self, events: int) -> dict[str, float]:
        """CPU microseconds for each event, by part."""
        return {f"{part}, µs of CPU each": self.cpu[part] / events * 1e6 for part in _PARTS}


def send(
    running: Stack, bodies: Sequence[bytes], events: int, *, clients: int, table: str = "events"
) -> Sent:
    """Send all bodies, which hold `events` events, and wait until all events are in the table."""
    before, used = running.delivered(table), processes.cpu_seconds(running)
    began = time.perf_counter()
    answers = load.run(running.address, bodies, clients=clients)
    running.wait_for(before + events, table=table, seconds=_SECONDS)
    seconds = time.perf_counter() - began
    if set(answers.statuses) != {202}:
        raise RuntimeError(f"not every request was accepted: {dict(answers.statuses)}")
    return Sent(events / seconds, answers, used_since(running, used))


def used_since(running: Stack, before: Mapping[str, float]) -> dict[str, float]:
    now = processes.cpu_seconds(running)
    return {part: now[part] - before.get(part, 0.0) for part in sorted(now)}


def warm(running: Stack) -> None:
    """Warm up: give every process of the stack some events, and every table some rows."""
    bodies = sample.bodies(_WARM_EVENTS, size=_WARM_SIZE, seed=_WARM_SEED, days=6)
    send(running, bodies, _WARM_EVENTS, clients=4)
