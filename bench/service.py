"""The figures of the whole service: ingest, reports and imports, against targets and peers."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import floor, ingest, load, peers, sample
from bench.stack import Stack
from bench.table import Bound, Row

# The published figure for this design on 8 cores, in events a second.
ANCHOR = 2_380
# The most events of a floor: all of its bytes are in memory before its clock starts.
FLOOR_EVENTS = 200_000
FLOOR_SHARE, FLOOR_SHARE_OF_BATCHES = Bound(0.6), Bound(0.85)
# Rows a second of an import with so many rows, the start of the command included.
IMPORTS = {100_000: Bound(40_000), 1_000_000: Bound(60_000)}


def rows(running: Stack, *, events: int, requests: int, imported: Sequence[int]) -> list[Row]:
    """`imported` are the sizes of the files to import, one after another."""
    batches, rate = _batches(running, events)
    return [
        *batches,
        *_reports(running),
        *_singles(running, requests),
        *(row for count in imported for row in _import(running, count)),
        _floor(
            "HTTP batches",
            rate,
            _bare_rate(running, events, seed=4, days=6),
            FLOOR_SHARE_OF_BATCHES,
        ),
    ]


def _batches(running: Stack, events: int) -> tuple[list[Row], float]:
    bodies = sample.bodies(events, size=1000, days=6)
    sent = ingest.send(running, bodies, events, clients=4)
    what = "HTTP, batches of 1,000, to all in ClickHouse"
    remark = f"{sent.rate / ANCHOR:.1f} x published"
    row = Row(what, sent.rate, "events/s", Bound(45_000), peers.BATCHES, remark)
    return [row, _cpu("batches", sent, events)], sent.rate


def _singles(running: Stack, requests: int) -> list[Row]:
    bodies = sample.bodies(requests, size=1, seed=2, days=6)
    sent = ingest.send(running, bodies, requests, clients=32)
    what = "HTTP, one event a request, to all in ClickHouse"
    p50, p99 = (sent.answers.percentile(share) for share in (0.5, 0.99))
    remark = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    row = Row(what, sent.rate, "requests/s", Bound(2_400), peers.SINGLES, remark)
    return [row, _cpu("one event a request", sent, requests)]


def _cpu(what: str, sent: ingest.Sent, events: int) -> Row:
    """The cores that each part used from the first request to the end, the busiest part first."""
    seconds = events / sent.rate
    busiest = sorted(sent.cpu.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{part} {used / seconds:.2f}" for part, used in busiest)
    return Row(f"{what}: cores in use", shares)


def _floor(what: str, rate: float, bare: float, target: Bound = FLOOR_SHARE) -> Row:
    remark = f"floor {bare:,.0f} events/s"
    return Row(f"{what}, share of the floor", rate / bare, "", target, None, remark)


def _bare_rate(running: Stack, events: int, *, seed: int, days: float) -> float:
    made = list(sample.events(events, seed=seed, days=days))
    chunks = floor.prepare(made, hot_since=datetime.now(UTC) - timedelta(days=6))
    urls = running.addresses()
    return events / floor.load(
        chunks, postgres=urls["DATABASE_URL"], clickhouse=urls["CLICKHOUSE_URL"]
    )


def _reports(running: Stack) -> list[Row]:
    today = datetime.now(UTC).date()
    quarter = f"start_date={today - timedelta(weeks=12)}&windows=12"
    year = f"from={today - timedelta(days=364)}&to={today}"
    paths = {
        "DAU, 365 days": f"/stats/dau?{year}",
        "top events, 365 days": f"/stats/top-events?{year}",
        "retention, 12 weeks": f"/stats/retention?{quarter}",
        "DAU, property segment": f"/stats/dau?{year}&segment=properties.country:UA",
    }
    return [_report(running, name, path) for name, path in paths.items()]


def _report(running: Stack, name: str, path: str) -> Row:
    segment = "segment" in path
    answers = load.run_requests(running.address, [load.request("GET", path)] * 60, clients=1)
    target = Bound(1_000 if segment else 10, at_most=True)
    peer = None if segment else peers.REPORTS[name.partition(",")[0]]
    return Row(f"{name}, p50", answers.percentile(0.5), "ms", target, peer)


def _import(running: Stack, events: int) -> list[Row]:
    file = running.folder.parent / f"{events}.csv"
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
    bare = _bare_rate(running, min(events, FLOOR_EVENTS), seed=events + 1, days=90)
    what = f"import_events, CSV of {events:,} rows"
    target, memory = IMPORTS.get(events), Bound(400, at_most=True)
    return [
        Row(f"{what}, to all in ClickHouse", rate, "events/s", target, peers.CSV),
        _floor(what, rate, bare),
        Row(f"{what}, peak memory", peak, "MB", memory),
    ]


def _peak_megabytes(process: "subprocess.Popen[bytes]") -> float:
    """The process's peak memory in megabytes. Raises RuntimeError if the process fails."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        peak = int(lines.get("VmHWM", f"{peak} kB").split()[0])
        time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"the import ended with {process.returncode}")
    return peak / 1024


def _write_csv(file: Path, events: int) -> None:
    names = ["event_id", "occurred_at", "user_id", "event_type", "properties_json"]
    with file.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(names)
        # A seed of its own for each size, or the smaller file would have ids of the larger one.
        for event in sample.events(events, seed=events, days=90):
            writer.writerow([*(event[n] for n in names[:4]), json.dumps(event["properties"])])
