"""Imports files of events."""

import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.db import DatabaseError

from config.building_blocks.command import ServiceCommand
from importer.mapping import arguments
from importer.mapping.columns import FIELDS
from importer.mapping.options import OptionError
from importer.mapping.presets import PRESETS
from importer.models import Import
from importer.reading.chunks import FileRefused
from importer.reading.files import expand
from importer.running.progress import Progress, counts, terminal
from importer.running.run import Run, Summary, import_file
from projects.management.project_option import add_project, project_of

STOPPED = 130  # the exit code in a shell of a program ended by Ctrl-C


class Command(ServiceCommand):
    help = (
        "Imports events from CSV, TSV, JSON lines or Parquet, plain or as .gz, .zst or .zip:"
        " files, folders, globs, or - for standard input. A file imported before is skipped, one"
        " that was stopped or killed goes on where it was, and an event stored before counts as a"
        " duplicate. Rows that can't be imported go to FILE.rejected.csv, to be mended and"
        " imported by the same command."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("files", nargs="+", metavar="PATH")
        add("--preset", default="", choices=["", *PRESETS], help="an export of another tool")
        add(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help=f"where a field is found: {', '.join(FIELDS)} or properties.NAME. A dot leads"
            " into an object, | gives a second choice",
        )
        add("--set", action="append", default=[], metavar="FIELD=VALUE", help="the same for all")
        add("--id-from", default="", metavar="COLUMN,…", help="make event_id (UUIDv5) from these")
        add(
            "--time",
            default="",
            choices=["", "iso", "utc", "s", "ms", "us"],
            help="how occurred_at is written: ISO 8601 with an offset (the default), without one"
            " in UTC, or a number since 1970",
        )
        add(
            "--rest",
            default="",
            choices=["", "refuse", "properties", "ignore"],
            help="what becomes of columns that nothing names; they are refused by default",
        )
        add("--encoding", default="", help="such as latin-1; UTF-8 and UTF-16 are seen")
        add("--delimiter", default="", help="of CSV; one of , ; | and tab is seen")
        add("--max-errors", default="", metavar="N|P%", help="stop at more bad rows than these")
        add(
            "--rejected",
            type=Path,
            metavar="FOLDER",
            help="where rejected rows go; by default beside the file, or in IMPORT_FOLDER where"
            " nothing can be written there: the last line says where",
        )
        add_project(parser)
        add("--dry-run", action="store_true", help="check every row, store nothing")
        add("--force", action="store_true", help="read what was imported before again")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            given = {name: options[name] for name in arguments.Arguments.__annotations__}
            run = Run(
                project_of(options),
                options=arguments.parse(**given),
                force=options["force"],
                dry_run=options["dry_run"],
                rejected_folder=options["rejected"],
            )
            files = expand(options["files"])
        except (OptionError, FileRefused) as error:
            raise CommandError(str(error)) from None
        with _ended_by_signals(run.stop):
            failed = self._import_all(files, run)
        if run.stop.is_set():
            self.stderr.write("Stopped; the same command goes on from here.", self.style.WARNING)
            sys.exit(STOPPED)
        if failed:
            raise CommandError(f"{failed} of {len(files)} files failed")

    def _import_all(self, files: list[Path], run: Run) -> int:
        failed = 0
        for path in files:
            failed += not self._import(path, run)
            if run.stop.is_set():
                break
        return failed

    def _import(self, path: Path, run: Run) -> bool:
        """Whether the file could be imported; otherwise the reason is printed."""
        with closing(Progress(str(path), terminal(self.stderr))) as watch:
            try:
                summary = import_file(path, replace(run, watch=watch))
            except FileRefused as error:
                problem = str(error)
            except (DatabaseError, psycopg.Error) as error:
                problem = (
                    f"{path}: PostgreSQL failed: {str(error).strip()}\n"
                    "What was stored stays; run the same command again for the rest."
                )
            else:
                watch.close()
                self._print(path, summary, dry=run.dry_run)
                return True
        self.stderr.write(self.style.ERROR(problem))
        if watch.row:
            self.stderr.write(f"{path}: {counts(watch.row)} so far")
            self._print_rejected(watch.row)
        return False

    def _print(self, path: Path, summary: Summary, *, dry: bool) -> None:
        row = summary.row
        if summary.skipped:
            self.stdout.write(f"{path}: skipped, imported before (--force reads it again)")
            return
        if summary.before:
            self.stdout.write(f"{path}: went on behind {summary.before} rows of an earlier run")
        rate = (row.read - summary.before) / max(summary.seconds, 1e-6)
        told = f"read {row.read}, bad {row.bad}, nothing stored" if dry else counts(row)
        self.stdout.write(f"{path}: {told} in {summary.seconds:.1f} s ({rate:,.0f} rows/s)")
        if summary.waiting:
            self.stdout.write(
                f"{summary.waiting} batches wait for ClickHouse; they are delivered when it is back"
            )
        self._print_rejected(row)

    def _print_rejected(self, row: Import) -> None:
        if row.rejected_path:
            self.stdout.write(f"Rejected rows are in {row.rejected_path}")


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the import after the current batch; a second one ends it at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
