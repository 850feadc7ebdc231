"""Imports CSV files of events."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from importer.csv_files import BadRow, FileRefused
from importer.run import Summary, import_file

# Bad rows printed for one file; all are counted.
SHOWN_BAD_ROWS = 20


class Command(BaseCommand):
    help = (
        "Imports CSV files with the columns event_id, occurred_at, user_id, event_type and"
        " properties_json (or properties). A file imported before is skipped; events stored before"
        " are counted as duplicates."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--force", action="store_true", help="read files that were imported before again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        files: list[Path] = options["files"]
        failed = [path for path in files if not self._import(path, force=options["force"])]
        if failed:
            raise CommandError(f"{len(failed)} of {len(files)} files failed")

    def _import(self, path: Path, *, force: bool) -> bool:
        """Whether the file could be imported; otherwise the reason is printed."""
        bad_rows = 0

        def report(bad: BadRow) -> None:
            nonlocal bad_rows
            bad_rows += 1
            if bad_rows <= SHOWN_BAD_ROWS:
                self.stderr.write(f"{path}, line {bad.line}: {bad.reason}")

        try:
            summary = import_file(path=path, force=force, report=report)
        except FileRefused as error:
            self.stderr.write(self.style.ERROR(str(error)))
            return False
        except (DatabaseError, psycopg.Error) as error:
            self.stderr.write(self.style.ERROR(f"{path}: PostgreSQL failed: {error}".strip()))
            self.stderr.write("What was stored stays; run the same command again for the rest.")
            return False
        if bad_rows > SHOWN_BAD_ROWS:
            self.stderr.write(f"{path}: {bad_rows - SHOWN_BAD_ROWS} more bad rows")
        self._print(path, summary)
        return True

    def _print(self, path: Path, summary: Summary) -> None:
        if summary.skipped:
            self.stdout.write(f"{path}: skipped, imported before (--force reads it again)")
            return
        self.stdout.write(
            f"{path}: read {summary.read}, stored {summary.stored},"
            f" duplicate {summary.duplicates}, bad {summary.bad}"
            f" in {summary.seconds:.1f} s ({summary.read / summary.seconds:,.0f} rows/s)"
        )
        if summary.waiting:
            self.stdout.write(
                f"{summary.waiting} batches wait for ClickHouse; they are delivered when it is back"
            )
