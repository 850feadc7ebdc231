"""`make bench`: rates and latencies of the whole stack on this machine, as a table."""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench import floor, history, load, sample, stack

# The published figure for this design, on 8 cores; events a second.
ANCHOR = 2_380
# All of a floor's bytes are in memory before its clock starts.
FLOOR_EVENTS = 200_000


class Row(NamedTuple):
    what: str
    target: str
    figure: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="events in batches and files")
    parser.add_argument("--requests", type=int, default=5_000, help="requests of one event")
    parser.add_argument("--imported", type=int, help="events in the file, unless as many")
    parser.add_argument("--history", type=int, help="events made inside ClickHouse, then asked for")
    parser.add_argument("--users", type=int, default=1_000_000, help="users of that history")
    options = parser.parse_args()
    if options.history:
        with stack.running() as running:
            _print(_history(running, options.history, options.users))
        return
    with stack.running() as running:
        rate, batches = _batches(running, options.events)
        rows = [
            batches,
            *_reports(running),
            _singles(running, options.requests),
            *_import(running, options.imported or options.events),
            _floor(running, options.events, rate),
        ]
    _print(rows)


def _batches(running: stack.Stack, events: int) -> tuple[float, Row]:
    bodies = sample.bodies(events, size=1000, days=6)
    rate, _ = _send(running, bodies, events, clients=4)
    figure = f"{rate:,.0f} events/s ({rate / ANCHOR:.1f} x published)"
    return rate, Row("HTTP, batches of 1,000, to all in ClickHouse", "≥ 30,000 events/s", figure)


def _floor(running: stack.Stack, events: int, rate: float) -> Row:
    bare = _bare_rate(running, events, seed=4, days=6)
    figure = f"{rate / bare:.2f} (floor {bare:,.0f} events/s)"
    return Row("HTTP batches, share of the floor", "≥ 0.6", figure)


def _bare_rate(running: stack.Stack, events: int, *, seed: int, days: float) -> float:
    made = list(sample.events(events, seed=seed, days=days))
    chunks = floor.prepare(made, hot_since=datetime.now(UTC) - timedelta(days=6))
    urls = running.addresses()
    return events / floor.load(
        chunks, postgres=urls["DATABASE_URL"], clickhouse=urls["CLICKHOUSE_URL"]
    )


def _singles(running: stack.Stack, requests: int) -> Row:
    bodies = sample.bodies(requests, size=1, seed=2, days=6)
    rate, answers = _send(running, bodies, requests, clients=32)
    latency = f"p50 {answers.percentile(0.5):.1f} ms, p99 {answers.percentile(0.99):.1f} ms"
    figure = f"{rate:,.0f} requests/s ({latency})"
    return Row("HTTP, one event a request, to all in ClickHouse", "≥ 1,500 requests/s", figure)


def _send(
    running: stack.Stack, bodies: list[bytes], events: int, *, clients: int
) -> tuple[float, load.Load]:
    """Items a second until all are in ClickHouse, and what the clients saw."""
    before = running.delivered()
    began = time.perf_counter()
    answers = load.run(running.address, bodies, clients=clients)
    running.wait_for(before + events)
    seconds = time.perf_counter() - began
    if set(answers.statuses) != {202}:
        raise RuntimeError(f"not every request was accepted: {dict(answers.statuses)}")
    return events / seconds, answers


def _reports(running: stack.Stack) -> list[Row]:
    today = datetime.now(UTC).date()
    quarter = f"start_date={today - timedelta(weeks=12)}&windows=12"
    year = f"from={today - timedelta(days=364)}&to={today}"
    paths = {
        "DAU, 365 days": f"/stats/dau?{year}",
        "top events, 365 days": f"/stats/top-events?{year}",
        "retention, 12 weeks": f"/stats/retention?{quarter}",
        "DAU, property segment": f"/stats/dau?{year}&segment=properties.country:UA",
    }
    return [
        Row(f"{name}, p50", "≤ 1 s" if "segment" in path else "≤ 10 ms", _latency(running, path))
        for name, path in paths.items()
    ]


def _history(running: stack.Stack, events: int, users: int) -> list[Row]:
    """The reports of a history of its own, none of which was asked before the clock began."""
    rate = events / history.fill(running, events, users=users)
    rows = [Row(f"{events:,} events of {users:,} users made", "", f"{rate:,.0f} events/s")]
    for name, milliseconds in history.latencies(running):
        rows.append(Row(f"{name}, p50", "≤ 150 ms", f"{milliseconds:.0f} ms"))
    for segment in ("event_type:purchase", "properties.country:UA", "properties.plan:3"):
        target = "≤ 1 s at 20 million" if segment.startswith("properties") else "≤ 150 ms"
        for name, milliseconds in history.latencies(running, segment=segment):
            rows.append(Row(f"{name}, {segment}, p50", target, f"{milliseconds:.0f} ms"))
    peak = history.peak_megabytes(running)
    rows.append(Row("ClickHouse's peak memory", "", f"{peak:,.0f} MB"))
    for name, answered, counted in history.recounted(running):
        verdict = "equal" if answered == counted else "DIFFERS"
        print(f"{name}: {verdict}\n  answered {answered}\n  counted  {counted}")  # noqa: T201
        rows.append(Row(f"{name}, against a recount", "equal", verdict))
    return rows


def _latency(running: stack.Stack, path: str) -> str:
    answers = load.run_requests(running.address, [load.request("GET", path)] * 60, clients=1)
    return f"{answers.percentile(0.5):.1f} ms"


def _import(running: stack.Stack, events: int) -> list[Row]:
    file = running.folder.parent / "events.csv"
    _write_csv(file, events)
    before, began = running.delivered(), time.perf_counter()
    importer = subprocess.Popen(  # noqa: S603
        [sys.executable, "manage.py", "import_events", str(file)],
        env={**os.environ, **running.variables()},
        stdout=subprocess.DEVNULL,
    )
    peak = _peak_megabytes(importer)
    running.wait_for(before + events)
    rate = events / (time.perf_counter() - began)
    bare = _bare_rate(running, min(events, FLOOR_EVENTS), seed=5, days=90)
    what = "import_events, CSV"
    return [
        Row(f"{what}, to all in ClickHouse", "≥ 50,000 events/s", f"{rate:,.0f} events/s"),
        Row(f"{what}, share of the floor", "", f"{rate / bare:.2f} (floor {bare:,.0f} events/s)"),
        Row(f"{what}, peak memory, {events:,} events", "< 400 MB", f"{peak:.0f} MB"),
    ]


def _peak_megabytes(process: "subprocess.Popen[bytes]") -> float:
    """Of its own memory, once it has ended well."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        peak = int(lines.get("VmHWM", f"{peak} kB").split()[0])
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    return peak / 1024


def _write_csv(file: Path, events: int) -> None:
    names = ["event_id", "occurred_at", "user_id", "event_type", "properties_json"]
    with file.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(names)
        for event in sample.events(events, seed=3, days=90):
            writer.writerow([*(event[n] for n in names[:4]), json.dumps(event["properties"])])


def _print(rows: list[Row]) -> None:
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")  # noqa: T201
    print("| what | target | figure |\n|---|---|---|")  # noqa: T201
    for row in rows:
        print(f"| {row.what} | {row.target} | {row.figure} |")  # noqa: T201


if __name__ == "__main__":
    main()
