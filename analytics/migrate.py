"""Brings ClickHouse to the schema of `schema/*.sql`, file by file, and records what was applied."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from analytics import clickhouse

RECORDS = """
CREATE TABLE IF NOT EXISTS schema_files
(name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY name
"""
# Ends a statement: a semicolon that closes its line.
_STATEMENT_END = re.compile(r";[ \t]*$", re.MULTILINE)


class SchemaChanged(Exception):
    """A file that was applied reads differently now: what it says is not what the server has."""


@dataclass(frozen=True)
class SchemaFile:
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        return [part.strip() for part in _STATEMENT_END.split(self.text) if part.strip()]


def apply_schema(*, directory: Path = clickhouse.SCHEMA_DIR) -> list[str]:
    """Creates the database if need be and applies, in order, the files it has no record of.

    Gives the names of the files applied now. Every statement must be one that may run twice
    (`IF NOT EXISTS`): a run that was cut off is simply repeated, and two at once do no harm.
    Raises SchemaChanged before anything is applied, and ClickHouseError.
    """
    clickhouse.command(
        "CREATE DATABASE IF NOT EXISTS {name:Identifier}",
        parameters={"name": clickhouse.Identifier(clickhouse.database())},
        in_database=False,
    )
    clickhouse.command(RECORDS)
    applied = _applied()
    files = [SchemaFile(path.name, path.read_text()) for path in sorted(directory.glob("*.sql"))]
    for file in files:
        if applied.get(file.name, file.sha256) != file.sha256:
            raise SchemaChanged(
                f"{file.name} was edited after it had been applied; put the change into a new file"
            )
    fresh = [file for file in files if file.name not in applied]
    for file in fresh:
        _apply(file)
    return [file.name for file in fresh]


def _applied() -> dict[str, str]:
    return dict(clickhouse.query("SELECT name, sha256 FROM schema_files FINAL"))


def _apply(file: SchemaFile) -> None:
    for statement in file.statements:
        clickhouse.command(statement)
    clickhouse.command(
        "INSERT INTO schema_files (name, sha256) SELECT {name:String}, {sha256:String}",
        parameters={"name": file.name, "sha256": file.sha256},
    )
