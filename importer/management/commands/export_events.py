"""Exports events to a file."""

import os
import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from analytics.clickhouse import ClickHouseError
from analytics.segments.asked import segments_of
from analytics.segments.expressions import InvalidSegment, Segments
from config.api.days import parse_day
from config.building_blocks.command import ServiceCommand
from importer.exports.exporting import FORMATS, Export, ExportRefused, Summary, export
from importer.exports.output import STDOUT, OutputRefused
from importer.running.progress import terminal
from projects.management.project_option import add_project, project_of

# The exit codes in a shell of a program ended by Ctrl-C, and of one whose output nobody reads.
STOPPED, UNREAD = 130, 141


class Command(ServiceCommand):
    help = (
        "Exports events from ClickHouse in a format that import_events can read. Writes to a file,"
        " which appears only when it is complete, or to standard output."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add_project(parser)
        add("--from", dest="start", type=_day, metavar="DATE", help="first day in UTC")
        add("--to", dest="end", type=_day, metavar="DATE", help="last day in UTC, included")
        add(
            "--segment",
            dest="segments",
            action="extend",
            nargs="+",
            default=[],
            metavar="SEGMENT",
            help="export only events that match all segments, such as event_type:purchase or"
            " 'not(properties.country):UA'; see docs/segments.md",
        )
        add(
            "--or",
            dest="groups",
            action="append",
            nargs="+",
            default=[],
            metavar="SEGMENT",
            help="export only events that match one of these segments; each --or is a group",
        )
        add(
            "--format",
            choices=FORMATS,
            help="by default, the ending of the output's name decides; ndjson without an ending",
        )
        add(
            "--output",
            type=Path,
            default=STDOUT,
            metavar="FILE",
            help="the file to write, - for standard output (the default); a file whose name ends"
            " in .gz or .zst is compressed",
        )
        add("--overwrite", action="store_true", help="replace the file if it exists")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("start", "end", "format", "overwrite")
        with self._progress(options["output"]) as bar, _stopped_by_sigterm():
            try:
                project = project_of(options)
                order = Export(
                    project,
                    path=options["output"],
                    segments=_segments(options, project),
                    watch=bar.update,
                    **{name: options[name] for name in names},
                )
                summary = export(order)
            except (ExportRefused, OutputRefused) as error:
                raise CommandError(str(error)) from None
            except ClickHouseError as error:
                raise CommandError(f"ClickHouse failed: {error}") from error
            except BrokenPipeError:
                sys.exit(UNREAD)
            except KeyboardInterrupt:
                self.stderr.write("Stopped; the export is not complete.")
                sys.exit(STOPPED)
        self._print(summary)

    def _progress(self, output: Path) -> Any:
        shown = self.stderr.isatty() and not (output == STDOUT and os.isatty(1))
        return tqdm(
            file=terminal(self.stderr),
            disable=not shown,
            unit=" events",
            unit_scale=True,
            dynamic_ncols=True,
            leave=False,
        )

    def _print(self, summary: Summary) -> None:
        rate = summary.events / max(summary.seconds, 1e-6)
        self.stderr.write(
            f"{summary.events} events in {summary.seconds:.1f} s ({rate:,.0f} events/s)",
            self.style.SUCCESS,
        )
        if summary.waiting is None:
            said = "PostgreSQL can't be reached, so some stored events may not be in ClickHouse yet"
        elif summary.waiting:
            said = f"ClickHouse had not confirmed {summary.waiting} stored events"
        else:
            return
        self.stderr.write(f"{said}; the export may lack such events", self.style.WARNING)


def _segments(options: dict[str, Any], project: int) -> Segments:
    groups = {f"or.{number}": texts for number, texts in enumerate(options["groups"], start=1)}
    try:
        return segments_of(options["segments"], groups, project=project)
    except InvalidSegment as error:
        where = "" if error.place.parameter == "segment" else f"--{error.place.parameter}: "
        raise CommandError(f"{where}{error}") from None


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None
