"""Gives a property a column of its own, so that reports find its values faster."""

import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django import db
from django.core.management.base import CommandError

from analytics.clickhouse import ClickHouseError
from analytics.maintenance import property_columns
from analytics.maintenance.property_columns import PathTooLong, TooMany
from analytics.segments.columns import MAX_PATH_BYTES, path_text
from analytics.segments.expressions import Field
from analytics.segments.parsing import parse_field
from analytics.segments.uses import most_asked
from config.building_blocks.command import ServiceCommand
from projects.management.project_option import add_project, project_of

_LISTED = 20


class Command(ServiceCommand):
    help = (
        "Give a property a column of its own, from which segments such as properties.country:UA"
        " are answered faster. Ingest and reports continue. If it breaks off, run it again. Without"
        " a property, list those that have a column and those that are asked for most."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "property", nargs="?", help="as in a segment, such as properties.country"
        )
        parser.add_argument("--undo", action="store_true", help="take the column away")
        add_project(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        text, undo = options["property"], options["undo"]
        if undo and text is None:
            raise CommandError("--undo needs a property")
        try:
            project = project_of(options)
            if text is None:
                self._list(project)
            elif undo:
                self._undo(_property(text), project)
            else:
                self._add(_property(text), project)
        except ClickHouseError as error:
            raise CommandError(f"ClickHouse failed: {error}") from error
        except (db.Error, psycopg.Error) as error:
            raise CommandError(f"PostgreSQL failed: {error}".strip()) from error

    def _list(self, project: int) -> None:
        there = {one.path: one for one in property_columns.all_of(project=project)}
        asked = dict(most_asked(project=project, limit=_LISTED))
        for path in [*asked, *(path for path in there if path not in asked)]:
            times = f"asked {asked[path]:,} times" if path in asked else "seldom asked"
            self.stdout.write(f"properties.{path}\t{times}\t{_state(there.get(path))}")

    def _add(self, field: Field, project: int) -> None:
        name, began = f"properties.{path_text(field)}", time.monotonic()
        try:
            is_new = property_columns.add(field, project=project)
        except TooMany:
            most = property_columns.MAX_COLUMNS
            raise CommandError(
                f"{most} properties have a column already, and each slows every insert:"
                " take one away with --undo"
            ) from None
        except PathTooLong:
            raise CommandError(f"{name} is longer than {MAX_PATH_BYTES} bytes") from None
        seconds = time.monotonic() - began
        said = f"has a column after {seconds:.1f} s" if is_new else "has a column already"
        self.stdout.write(f"{name} {said}")

    def _undo(self, field: Field, project: int) -> None:
        name = f"properties.{path_text(field)}"
        self.stdout.write(
            f"waiting {property_columns.seconds_of_reports():.0f} s until no report reads it"
        )
        had_one = property_columns.remove(field, project=project)
        self.stdout.write(f"{name} has no column {'any more' if had_one else 'anyway'}")


def _property(text: str) -> Field:
    try:
        field = parse_field(text)
    except ValueError as error:
        raise CommandError(f"{text}: {error}") from None
    if not field.path:
        raise CommandError(f"{text} is no property; write it like properties.country")
    return field


def _state(column: property_columns.Column | None) -> str:
    if column is None:
        return "no column"
    if not column.is_in_use:
        return "column not finished"
    # ClickHouse does not know the size where all columns of a small part are in one file.
    return f"column of {column.size:,} bytes" if column.size else "column"
