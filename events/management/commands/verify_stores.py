"""Compares PostgreSQL with ClickHouse and, if told so, repairs each from the other."""

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from config.building_blocks.command import ServiceCommand
from events.auditing.differences import Difference, Kind, Report
from events.auditing.repair import repair
from events.auditing.verify import verify
from events.management import failures
from events.management.days import add_days, days_of
from events.postgres.repair_lock import alone
from projects.management.project_option import add_project, or_deleted, projects_of

# What a repair has done, in words that follow a number of differences.
_DONE = {
    Kind.MISSING_COLD: "sent to ClickHouse from the hot layer",
    Kind.MISSING_HOT: "copied to the hot layer from ClickHouse",
    Kind.UNKNOWN: "added to dedup, so that the events are not stored again",
    Kind.LOST: "removed from dedup: no store has these events; send or import them again",
    Kind.DOUBLED_COLD: "reduced to one copy in ClickHouse",
    Kind.DOUBLED_HOT: "reduced to one copy in the hot layer",
}
# Why differences were not repaired, in words that follow their number.
_LEFT = {
    Kind.MISSING_COLD: "are no longer in the hot layer",
    Kind.DOUBLED_COLD: "have copies that differ: delete the wrong copies by hand",
    Kind.MOVED: "have a different time in each store: the service can't know which one is right",
    Kind.ROLLUP: "need manage.py rebuild_rollups",
}


class Command(ServiceCommand):
    help = (
        "Compare PostgreSQL and ClickHouse by day while both are in use. Exits with 1 if they"
        " differ. Without --from and --to, compare the days of the hot window and, if DEDUP_DAYS is"
        " 0, the ids of all events. Lost ids have no day, so only this comparison of all ids finds"
        " them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_project(parser, without="all projects")
        add_days(parser)
        parser.add_argument(
            "--repair",
            action="store_true",
            help="repair each store from the other one, then compare again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with failures.told():
            differences = self._differences(options)
        if differences:
            raise CommandError(f"{differences} differences")
        self.stdout.write("the stores agree")

    def _differences(self, options: dict[str, Any]) -> int:
        start, end = days_of(options)
        projects = projects_of(options)
        differences = 0
        for project in projects:
            if len(projects) > 1:
                self.stdout.write(f"project {project}:")
            look = partial(verify, project=project.pk, start=start, end=end)
            with or_deleted(project):
                report = self._repaired(look) if options["repair"] else self._verified(look)
                differences += report.differences
        return differences

    def _verified(self, look: Callable[[], Report]) -> Report:
        report = look()
        self._print(report)
        return report

    def _repaired(self, look: Callable[..., Report]) -> Report:
        """The report of what is left after the repair."""
        mended: dict[Kind, int] = {}

        def act(difference: Difference) -> None:
            still_alone()
            mended[difference.kind] = mended.get(difference.kind, 0) + repair(difference)

        with alone() as still_alone:
            report = look(act=act)
            self._print(report)
            if not report.differences:
                return report
            self._print_repair(report, mended)
            self.stdout.write("verified again:")
            return self._verified(look)

    def _print(self, report: Report) -> None:
        days: dict[date | None, list[str]] = {}
        for (day, kind), tally in report.found.items():
            more = ", …" if tally.count > len(tally.examples) else ""
            shown = f"{tally.count} {kind} ({', '.join(tally.examples)}{more})"
            days.setdefault(day, []).append(shown)
        for day in sorted(days, key=lambda day: day or date.max):
            self.stdout.write(f"{day or 'no day'}: {'; '.join(days[day])}")
        known = "" if report.known is None else f", {report.known:,} ids in dedup"
        self.stdout.write(
            f"{report.hot:,} events in the hot layer{known}, {report.cold:,} in ClickHouse;"
            f" {report.waiting:,} wait in the outbox, {report.failed:,} in failed batches"
        )

    def _print_repair(self, report: Report, mended: dict[Kind, int]) -> None:
        for kind, count in mended.items():
            if count:
                self.stdout.write(f"{count} {_DONE[kind]}")
            found = sum(tally.count for (_, k), tally in report.found.items() if k is kind)
            if found > count and kind in _LEFT:
                self.stdout.write(f"{found - count} {_LEFT[kind]}")
