"""`manage.py export_events`: what it writes is what `import_events` stores again."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pyarrow.parquet import read_table

from analytics import clickhouse as engine
from analytics.clickhouse import ClickHouseError
from analytics.migrate import apply_schema
from config.settings import BASE_DIR
from events.models import Batch
from events.records import frame
from events.store import store
from events.validation import validate
from importer.exporting import Export, export
from importer.models import Import
from tests.analytics.test_killed_engine import Engine
from tests.events.damage import agreeing, content
from tests.fixtures import empty_clickhouse
from tests.samples import event, framed, moment
from tests.waiting import deliver_all, wait_until

pytestmark = pytest.mark.usefixtures("stores")

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
    store(frames=[framed(events)], source=Batch.Source.QUEUE)


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
    store(frames=[frame(checked.records)], source=Batch.Source.QUEUE)
    deliver_all()


def fill(events: int, characters: int) -> None:
    """So many events in ClickHouse alone, their properties of so many characters each."""
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), 'u', 't',"
        """ concat('{"a":"', repeat('x', {characters:UInt32}), '"}')"""
        " FROM numbers({events:UInt64})",
        parameters={"events": events, "characters": characters},
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


def import_complaint(path: Path) -> str:
    """Of a file that can't be imported, or not to its end."""
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("import_events", str(path), stdout=io.StringIO(), stderr=said)
    return said.getvalue()


@pytest.fixture
def own_engine(tmp_path: Path, settings: Any) -> Iterator[Engine]:
    """ClickHouse for one test, to be killed."""
    own = Engine(tmp_path / "clickhouse")
    settings.CLICKHOUSE_URL = own.url
    apply_schema()
    yield own
    own.stop()


@pytest.mark.parametrize("name", [*FORMATS, "events", "events.jsonl.zst", "EVENTS.CSV.GZ"])
def test_what_is_exported_and_imported_is_the_same_in_every_store(
    name: str, tmp_path: Path
) -> None:
    delivered_nasty()
    before = content()
    path = tmp_path / name
    assert export_events("--output", path).startswith("24 events in ")
    empty_stores()
    call_command("import_events", str(path), stdout=io.StringIO())
    assert content() == before
    agreeing()


def test_json_lines_hold_the_properties_as_they_were_stored(tmp_path: Path) -> None:
    delivered_nasty()
    path = tmp_path / "events.ndjson"
    export_events("--output", path, "--segment", "user_id:=1+1", "--to", "1970-01-01")
    assert path.read_text().endswith(
        '"occurred_at":"1970-01-01T00:00:00.000Z","user_id":"=1+1","event_type":"=1+1",'
        f'"properties":{NASTY["=1+1"]}}}\n'
    )


def test_the_format_may_be_other_than_the_name_says(tmp_path: Path) -> None:
    delivered()
    path = tmp_path / "events.ndjson"
    export_events("--output", path, "--format", "csv")
    assert path.read_text().startswith("event_id,occurred_at,user_id,event_type,properties\n")


def test_days_are_of_utc_and_both_included(tmp_path: Path) -> None:
    [first] = delivered(occurred_at="2025-03-01T00:00:00Z")
    [last] = delivered(occurred_at="2025-03-02T23:59:59.999Z")
    [before] = delivered(occurred_at="2025-03-01T01:59:59.999+02:00")
    [after] = delivered(occurred_at="2025-03-03T00:00:00Z")
    assert exported(tmp_path, "--from", "2025-03-01", "--to", "2025-03-02") == {first, last}
    assert exported(tmp_path, "--from", "2025-03-01") == {first, last, after}
    assert exported(tmp_path, "--to", "2025-03-02") == {before, first, last}
    assert exported(tmp_path) == {before, first, last, after}


def test_all_segments_must_hold(tmp_path: Path) -> None:
    plain = delivered(properties={"plan": "pro"})
    bought = delivered(properties={"plan": "pro"}, event_type="purchase")
    delivered(properties={"plan": "free"}, event_type="purchase")
    pro, purchase = "properties.plan:pro", "event_type=purchase"
    assert exported(tmp_path, "--segment", pro) == plain | bought
    assert exported(tmp_path, "--segment", pro, purchase) == bought
    assert exported(tmp_path, "--segment", pro, "--segment", purchase) == bought


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_without_events_there_is_a_file_that_can_be_imported(name: str, tmp_path: Path) -> None:
    delivered()
    path = tmp_path / name
    assert export_events("--output", path, "--to", "1999-12-31").startswith("0 events in ")
    printed = io.StringIO()
    call_command("import_events", str(path), stdout=printed)
    assert "read 0, stored 0" in printed.getvalue()


def test_without_events_json_lines_are_an_empty_file(tmp_path: Path) -> None:
    export_events("--output", tmp_path / "events.ndjson")
    assert (tmp_path / "events.ndjson").read_bytes() == b""


def test_events_that_wait_for_clickhouse_are_said_to_be_missing(tmp_path: Path) -> None:
    known = delivered()
    with transaction.atomic():  # claimed before this process's delivery thread can see them
        put([event(), event()])
        Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=moment(days=-1))
    said = export_events("--output", tmp_path / "one.ndjson")
    assert "2 stored events had not reached ClickHouse; such events are not included" in said
    assert exported(tmp_path) == known
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert "not included" not in export_events("--output", tmp_path / "two.ndjson")


def test_what_the_buffer_holds_is_exported(tmp_path: Path, settings: Any) -> None:
    settings.CLICKHOUSE_USE_BUFFER = True
    known = delivered(3)
    assert exported(tmp_path) == known


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "2025-01-02", "--to", "2025-01-01"], "--from is after --to"),
        (["--from", "yesterday"], "argument --from: 'yesterday' is not a date"),
        (["--to", "2025-02-30"], "argument --to: '2025-02-30' is not a date"),
        (["--segment", "country:UA"], "segment 1: the field must be event_type, user_id or"),
        (["--segment", "user_id:a", "nothing"], "segment 2: expected field:value"),
        (["--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["--output", "events.parquet.gz"], "events.parquet.gz: Parquet is compressed inside"),
        (["--output", "/no/such/folder/events.csv"], "/no/such/folder/events.csv cannot be wri"),
        (["--output", "/tmp"], "/tmp is a folder"),
        (["--output", "/dev/full"], "/dev/full cannot be written: No space left on device"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(arguments: list[str], complaint: str) -> None:
    delivered()
    assert complaint in refused(*arguments)


def test_a_file_that_exists_is_replaced_only_if_told_so(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("precious")
    assert refused("--output", path) == f"{path} exists (--overwrite replaces it)"
    assert path.read_text() == "precious"
    export_events("--output", path, "--overwrite")
    assert path.read_text().startswith("event_id,")
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    export_events("--output", link)
    assert link.is_symlink()
    assert target.read_text().startswith("event_id,")


@pytest.mark.parametrize("name", FORMATS)
def test_where_the_disk_is_full_the_old_file_is_left_alone(name: str, tmp_path: Path) -> None:
    delivered(4_000)
    path = tmp_path / name
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        complaint = refused("--output", path, "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert complaint == f"{path} cannot be written: File too large"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_without_clickhouse_there_is_an_error_and_no_file(tmp_path: Path, settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    assert "ClickHouse failed: " in refused("--output", tmp_path / "events.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["events.ndjson", "events.parquet", "events.csv.zst"])
def test_when_clickhouse_is_killed_midway_there_is_an_error_and_no_file(
    name: str,
    tmp_path: Path,
    own_engine: Engine,
) -> None:
    fill(100_000, 1_000)
    folder = tmp_path / "out"
    folder.mkdir()
    seen = []

    def kill_once(events: int) -> None:
        seen.append(events)
        if len(seen) == 1:
            own_engine.kill()

    with pytest.raises(ClickHouseError):
        export(Export(path=folder / name, watch=kill_once))
    own_engine.start()
    assert 0 < sum(seen) < 100_000
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("events.parquet", "is no whole Parquet file"),
        ("events.csv.gz", "its compressed data is cut short"),
        ("events.ndjson.zst", "its compressed data is cut short"),
    ],
)
def test_what_is_cut_short_on_its_way_into_a_pipe_can_be_told(
    name: str, complaint: str, tmp_path: Path
) -> None:
    fill(50_000, 1_000)
    path = tmp_path / name
    os.mkfifo(path)
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.append(path.read_bytes()))
    reader.start()
    with pytest.raises(KeyboardInterrupt):
        export(Export(path=path, watch=interrupted_at(45_000)))
    reader.join(timeout=20)
    path.unlink()
    path.write_bytes(taken[0])
    assert len(taken[0]) > 10_000
    assert complaint in import_complaint(path)


def interrupted_at(limit: int) -> Callable[[int], None]:
    """As by Ctrl-C when so many events were written."""
    seen = 0

    def watch(events: int) -> None:
        nonlocal seen
        seen += events
        if seen >= limit:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_standard_output_takes_what_a_file_would(kind: str, tmp_path: Path) -> None:
    delivered(50)
    path = tmp_path / f"events.{kind}"
    export_events("--output", path)
    printed, said = started("--format", kind).communicate(timeout=30)
    assert sorted(printed.splitlines()) == sorted(path.read_bytes().splitlines())
    assert said.startswith(b"50 events in ")


def test_standard_output_takes_parquet() -> None:
    known = delivered(50)
    printed, _ = started("--format", "parquet").communicate(timeout=30)
    assert set(read_table(io.BytesIO(printed))["event_id"].to_pylist()) == known


def test_when_nobody_reads_on_it_ends_quietly() -> None:
    fill(20_000, 1_000)
    with started() as process:
        assert process.stdout
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_midway_it_leaves_no_file(number: signal.Signals, tmp_path: Path) -> None:
    fill(100_000, 5_000)
    process = started("--output", tmp_path / "events.csv.gz")
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()))
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == b"Stopped; the export is not complete.\n"
    assert list(tmp_path.iterdir()) == []


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own, on the stores of this test."""
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return subprocess.Popen(
        [sys.executable, "manage.py", "export_events", *map(str, arguments)],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
