"""Exports of the tests: events made up, written by the command, and read again."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analytics import clickhouse as engine
from config.settings import BASE_DIR
from events.format.records import frame
from events.ingest.validation import validate
from events.models import Batch
from events.storing.store import store
from importer.models import Import
from projects.models import DEFAULT
from tests import environment
from tests.events.auditing.damage import content
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed, moment
from tests.stored import deliver_all
from tests.warm import Heard

NASTY = {
    'José "Pepe", jr': '{"text":"says \\"hi\\", \\\\ tab\\t, line\\nbreak, return\\r\\n"}',
    "back\\slash\\n": '{"новини":"уні\\u043aод 😀 \u2028 \ufeff","кома":"a,b;c|d\'"}',  # noqa: RUF001
    "=1+1": '{"price":1.50,"tiny":5e-324,"big":18446744073709551615,"low":-9223372036854775808}',
    "😀\u2029": '{"zero":-0.0,"nothing":null,"list":[1,[2,{"a":{}}],"3"],"day":"2026-01-01"}',
    " spaced ": '{"a.b":1,"":"empty key","end":"\\r\\n__exception__\\r\\n"}',
    "'; --": "{}",
}

FORMATS = ["events.ndjson", "events.csv", "events.parquet", "events.ndjson.gz", "events.csv.zst"]


def put(events: list[dict[str, Any]]) -> None:
    """Stored, not delivered."""
    store(frames=[framed(events)], source=Batch.Source.QUEUE, project=DEFAULT)


def delivered(count: int = 1, **changes: Any) -> set[str]:
    """Their ids."""
    made = [event(**changes) for _ in range(count)]
    put(made)
    deliver_all()
    return {one["event_id"] for one in made}


def delivered_nasty() -> None:
    """Events new and old whose properties are, to the letter, those texts."""
    moments = [moment(hours=1), moment(days=2), "2019-05-05T10:00:00.001Z", "1970-01-01T00:00:00Z"]
    bodies = [
        json.dumps(event(occurred_at=at, user_id=name, event_type=name, properties=...))[:-1]
        + f',"properties":{properties}}}'
        for name, properties in NASTY.items()
        for at in moments
    ]
    checked = validate(f"[{','.join(bodies)}]".encode())
    assert not checked.errors
    store(frames=[frame(checked.records)], source=Batch.Source.QUEUE, project=DEFAULT)
    deliver_all()


def fill(events: int, characters: int) -> None:
    """So many events in ClickHouse alone, their properties of so many characters each."""
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), 'u', 't',"
        """ concat('{"a":"', repeat('x', {characters:UInt32}), '"}')"""
        " FROM numbers({events:UInt64})",
        parameters={"events": events, "characters": characters},
        project=DEFAULT,
    )


def export_events(*arguments: str | Path) -> str:
    """What the command says."""
    said = io.StringIO()
    call_command("export_events", *map(str, arguments), stderr=said)
    return said.getvalue()


def refused(*arguments: str | Path) -> str:
    with pytest.raises(CommandError) as error:
        export_events(*arguments)
    return str(error.value)


def exported(folder: Path, *arguments: str | Path) -> set[str]:
    """The ids of the events that the command writes, told these arguments."""
    path = folder / "events.ndjson"
    export_events("--output", path, "--overwrite", *arguments)
    return {json.loads(line)["event_id"] for line in path.read_text().splitlines()}


def empty_stores() -> None:
    empty_clickhouse()
    Import.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE hot_events, dedup")
    assert content() == ([], [], set())


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """The command in a process that is started for it, on the stores of this test."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "export_events", *map(str, arguments)],
        cwd=BASE_DIR,
        env=environment.of_the_stores(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def forked(*arguments: str | Path) -> Heard:
    """The same in a process that has loaded the service before."""
    return Heard(environment.of_the_stores(), "export_events", *map(str, arguments))
