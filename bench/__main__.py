"""`make bench`: rates and latencies of the whole stack on this machine, as a table.

Ratios above 1 are better than the target or the peer, also those of times and sizes.
"""

import argparse
import signal
import sys

from bench import history, processes, projects, service, stack, table
from bench.table import Bound, Row
from bench.variants import buffer, chunks, dedup, workers

COMPARISONS = ("buffer", "chunks", "workers", "dedup")


def main() -> None:
    options = _options()
    # Exits on SIGTERM in the usual way, so that the stack ends as well.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    _print(table.machine())
    if options.compare:
        for name in COMPARISONS if options.compare == "all" else [options.compare]:
            _print(f"Comparison: {name}\n\n{_comparison(name, options)}")
        return
    with stack.running() as running:
        if options.history:
            rows = _history(running, options.history, options.users)
        elif options.projects:
            rows = projects.rows(
                running, projects=options.projects, rate=options.rate, seconds=options.seconds
            )
        else:
            rows = service.rows(
                running,
                events=options.events,
                requests=options.requests,
                imported=options.imported,
            )
    _print(table.of_rows(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="events sent in batches")
    parser.add_argument("--requests", type=int, default=5_000, help="requests with one event each")
    parser.add_argument(
        "--imported",
        type=int,
        nargs="+",
        default=[*service.IMPORTS],
        help="rows of the files to import, one after another",
    )
    parser.add_argument(
        "--history", type=int, help="instead, measure reports on this many events in ClickHouse"
    )
    parser.add_argument("--users", type=int, default=1_000_000, help="users of --history")
    parser.add_argument(
        "--projects", type=int, help="instead, have so many projects send at a rate of each"
    )
    parser.add_argument("--rate", type=int, default=20, help="events a second of --projects")
    parser.add_argument("--seconds", type=int, default=300, help="how long --projects send")
    parser.add_argument(
        "--compare", choices=[*COMPARISONS, "all"], help="instead, compare variants of the stack"
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each variant")
    parser.add_argument(
        "--known", type=int, default=50_000_000, help="ids in the full table of --compare dedup"
    )
    return parser.parse_args()


def _comparison(name: str, options: argparse.Namespace) -> str:
    """For each figure the median, its ratio to the first row, the minimum and the maximum."""
    events, rounds = options.events, options.rounds
    if name == "buffer":
        return buffer.run(events=events, rounds=rounds)
    if name == "chunks":
        return chunks.run(events=events, rounds=rounds)
    if name == "workers":
        return workers.run(events=events, requests=options.requests, rounds=rounds)
    return dedup.run(events=events, known=options.known, rounds=rounds)


def _history(running: stack.Stack, events: int, users: int) -> list[Row]:
    """Measures reports on a new history; none of them was asked before the clock began."""
    rate = events / history.fill(running, events, users=users)
    rows = [Row(f"{events:,} events of {users:,} users made", rate, "events/s")]
    whole = Bound(150, at_most=True)
    # Without a column, property segments read more if the history is larger; their target is for
    # this size.
    properties = Bound(1_000, at_most=True) if events <= 20_000_000 else None
    for name, milliseconds in history.latencies(running):
        rows.append(Row(f"{name}, p50", milliseconds, "ms", whole))
    for segment in ("event_type:purchase", "properties.country:UA", "properties.plan:3"):
        target = properties if segment.startswith("properties") else whole
        for name, milliseconds in history.latencies(running, segment=segment):
            rows.append(Row(f"{name}, {segment}, p50", milliseconds, "ms", target))
    rows += _sped_up(running)
    for name, milliseconds in history.trends(running):
        rows.append(Row(f"{name}, p50", milliseconds, "ms"))
    for name, milliseconds in history.cohorts(running):
        rows.append(Row(f"{name}, p50", milliseconds, "ms"))
    for name, milliseconds in history.funnels(running):
        rows.append(Row(f"{name}, p50", milliseconds, "ms"))
    for name, milliseconds in history.looks(running):
        rows.append(Row(f"{name}, p50", milliseconds, "ms", Bound(50, at_most=True)))
    peak = processes.peak_megabytes(running, "clickhouse")
    rows.append(Row("ClickHouse's peak memory", peak, "MB"))
    for name, answered, counted in history.recounted(running):
        verdict = "equal" if answered == counted else "DIFFERS"
        _print(f"{name}: {verdict}\n  answered {answered}\n  counted  {counted}")
        rows.append(Row(f"{name}, against a recount", verdict, target="equal"))
    return rows


def _sped_up(running: stack.Stack) -> list[Row]:
    """The reports with a property segment, when the property has a column of its own."""
    rows = []
    for path, value in (("country", "UA"), ("plan", "3")):
        seconds = history.speed_up(running, path)
        rows.append(Row(f"a column for properties.{path}", seconds, "s"))
        for name, milliseconds in history.latencies(running, segment=f"properties.{path}:{value}"):
            row = f"{name}, properties.{path}:{value} by its column, p50"
            rows.append(Row(row, milliseconds, "ms", Bound(1_000, at_most=True)))
    return rows


def _print(text: str) -> None:
    print(f"{text}\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
