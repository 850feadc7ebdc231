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
        "Imports events from CSV, TSV or JSON lines (plain, .gz, .zst or .zip) or from Parquet."
        " PATH is a file, a folder, a glob, or - for standard input. A file that was imported"
        " before is skipped. An import that was stopped or killed continues where it ended. An"
        " event that is stored already counts as a duplicate. Rows that can't be imported go to"
        " FILE.rejected.csv: correct them there, and import that file with the same options."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("files", nargs="+", metavar="PATH")
        add("--preset", default="", choices=PRESETS, help="the tool that made it")
        _add_mapping(parser)
        add("--encoding", default="", help="such as latin-1; UTF-8 and UTF-16 are detected")
        add("--delimiter", default="", help="of CSV; comma, semicolon, tab and | are detected")
        add(
            "--max-errors",
            default="",
            metavar="N|P%",
            help="stop if more rows than this are bad: a number, or a percentage of those read",
        )
        add(
            "--rejected",
            type=Path,
            metavar="FOLDER",
            help="the folder for rejected rows; by default that of the file, or one in"
            " IMPORT_FOLDER if that can't be written; the last line of the output names it",
        )
        add_project(parser)
        add("--dry-run", action="store_true", help="check every row, but store nothing")
        add("--force", action="store_true", help="import a file again that was imported before")

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
            self.stderr.write(
                "Stopped. Run the same command again to continue.", self.style.WARNING
            )
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
                    "The stored rows are kept; run the same command again to import the rest."
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
            self.stdout.write(f"{path}: skipped, imported before (--force imports it again)")
            return
        if summary.before:
            self.stdout.write(f"{path}: continued after {summary.before} rows of an earlier run")
        rate = (row.read - summary.before) / max(summary.seconds, 1e-6)
        told = f"read {row.read}, bad {row.bad}, nothing stored" if dry else counts(row)
        self.stdout.write(f"{path}: {told} in {summary.seconds:.1f} s ({rate:,.0f} rows/s)")
        if summary.waiting:
            self.stdout.write(
                f"{summary.waiting} batches wait for ClickHouse; they will be delivered later"
            )
        self._print_rejected(row)

    def _print_rejected(self, row: Import) -> None:
        if row.rejected_path:
            self.stdout.write(f"Rejected rows are in {row.rejected_path}")


def _add_mapping(parser: ArgumentParser) -> None:
    """The options that say which column is which field."""
    add = parser.add_argument
    add(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help=f"the column of a field: {', '.join(FIELDS)} or properties.NAME. a.b is the key b"
        " of an object in column a; a|b is the first of these columns that has a value",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="give a field the same value in all rows",
    )
    add(
        "--id-from",
        default="",
        metavar="COLUMN,…",
        help="make event_id (a UUIDv5) from the values of these columns or set fields",
    )
    add(
        "--time",
        default="",
        choices=["iso", "utc", "s", "ms", "us"],
        help="how occurred_at is written: iso is ISO 8601 with an offset, utc is ISO 8601 in"
        " UTC without an offset, and s, ms and us are numbers of seconds, milliseconds and"
        " microseconds since 1970; the default is that of the preset, or iso",
    )
    add(
        "--rest",
        default="",
        choices=["refuse", "properties", "ignore"],
        help="what to do with columns that no field or property uses: refuse the file (of JSON"
        " lines: the row), put them into properties, or ignore them; the default is that of the"
        " preset, or refuse",
    )


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
