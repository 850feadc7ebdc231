"""`make faults`: a run of the fault suite for as long as asked; exit code 1 unless all is clean."""

import argparse
import random
import sys
import tempfile
from math import ceil
from pathlib import Path

from tests.faults.purging import purge_under_load
from tests.faults.service import running
from tests.faults.stack import soak
from tests.faults.suite import run, without_clickhouse

# In so long one project is deleted.
SECONDS_A_DELETION = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults happen")
    parser.add_argument("--without-clickhouse", action="store_true", help="only this one fault")
    parser.add_argument(
        "--purge", type=int, metavar="ROWS", help="only this: purge a day of so many events"
    )
    parser.add_argument(
        "--stack", action="store_true", help="only this: kill parts of a real make up"
    )
    parser.add_argument(
        "--every", type=float, default=5, help="with --stack: seconds, by default 5"
    )
    parser.add_argument(
        "--projects", type=int, default=4, help="to send to, by default 4 with the default one"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="events-analytics-faults-"))
    print(f"seed {options.seed}, logs and data in {folder}")  # noqa: T201
    if options.without_clickhouse:
        return _without_clickhouse(folder / "run", options.seconds, options.projects)
    if options.stack:
        soaked = soak(
            folder / "run",
            seed=options.seed,
            seconds=options.seconds,
            every=options.every,
            projects=options.projects,
        )
        print(soaked.summary())  # noqa: T201
        return 0 if soaked.clean else 1
    if options.purge:
        return _purge(folder / "run", options.purge)
    doomed = ceil(options.seconds / SECONDS_A_DELETION)
    with running(folder / "run", projects=options.projects, doomed=doomed) as service:
        outcome = run(service, seed=options.seed, seconds=options.seconds)
    print(outcome.summary())  # noqa: T201
    if outcome.harmful:
        print(f"answers that no fault excuses: {outcome.harmful}")  # noqa: T201
    return 0 if outcome.clean else 1


def _without_clickhouse(folder: Path, seconds: float, projects: int) -> int:
    with running(folder, projects=projects) as service:
        silence = without_clickhouse(service, seconds=seconds)
    clients = silence.clients
    print(  # noqa: T201
        f"ClickHouse gone for {seconds:g} s: {clients.sent:,} events sent, answers"
        f" {dict(clients.statuses)}, longest {clients.longest:.1f} s, /ready {silence.ready},"
        f" {silence.backlog} messages and batches waiting, caught up in {silence.drained:.1f} s;"
        f" {silence.audit}"
    )
    return 0 if silence.audit.clean and set(clients.statuses) <= {200, 202} else 1


def _purge(folder: Path, rows: int) -> int:
    with running(folder) as service:
        purge = purge_under_load(service, rows=rows)
    clients = purge.clients
    print(  # noqa: T201
        f"a day of {purge.rows:,} events purged in {purge.seconds:.2f} s; meanwhile"
        f" {clients.sent:,} events sent, answers {dict(clients.statuses)},"
        f" longest {clients.longest:.2f} s"
    )
    return 0 if purge.seconds < 1 and clients.longest < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
