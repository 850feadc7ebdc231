"""An export that does not come to its end: an error, and no file that looks whole."""

import io
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from analytics.clickhouse import ClickHouseError
from analytics.maintenance.migrate import apply_schema
from importer.exports.exporting import Export, export
from projects.models import DEFAULT
from tests.analytics.killable import Engine
from tests.importer.exports.exports import FORMATS, delivered, fill, forked, refused, started
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")

# More than is on its way from ClickHouse at a time.
MANY = 100_000


def import_complaint(path: Path) -> str:
    """Of a file that can't be imported, or not to its end."""
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("import_events", str(path), stdout=io.StringIO(), stderr=said)
    return said.getvalue()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """ClickHouse to be killed, with many events."""
    own = Engine(tmp_path_factory.mktemp("own") / "clickhouse")
    with override_settings(CLICKHOUSE_URL=own.url):
        apply_schema(project=DEFAULT)
        fill(MANY, 1_000)
    yield own
    own.stop()


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
    name: str, tmp_path: Path, engine: Engine, settings: Any
) -> None:
    settings.CLICKHOUSE_URL = engine.url
    folder = tmp_path / "out"
    folder.mkdir()
    seen = []

    def kill_once(events: int) -> None:
        seen.append(events)
        if len(seen) == 1:
            engine.kill()

    with pytest.raises(ClickHouseError):
        export(Export(DEFAULT, path=folder / name, watch=kill_once))
    engine.start()
    assert 0 < sum(seen) < MANY
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "events", "complaint"),
    [
        ("events.parquet", 50_000, "is not a complete Parquet file"),
        # The import stores what comes before the cut.
        ("events.csv.gz", 10_000, "its compressed data is incomplete"),
        ("events.ndjson.zst", 10_000, "its compressed data is incomplete"),
    ],
)
def test_what_is_cut_short_on_its_way_into_a_pipe_can_be_told(
    name: str, events: int, complaint: str, tmp_path: Path
) -> None:
    fill(events, 1_000)
    path = tmp_path / name
    os.mkfifo(path)
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.append(path.read_bytes()))
    reader.start()
    with pytest.raises(KeyboardInterrupt):
        export(Export(DEFAULT, path=path, watch=interrupted_at(events * 9 // 10)))
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


def test_when_nobody_reads_on_it_ends_quietly() -> None:
    fill(20_000, 1_000)
    with started() as process:
        assert process.stdout
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(("number", "start"), [(signal.SIGINT, started), (signal.SIGTERM, forked)])
def test_stopped_midway_it_leaves_no_file(
    number: signal.Signals, start: Callable[..., Any], tmp_path: Path
) -> None:
    fill(30_000, 5_000)
    process = start("--output", tmp_path / "events.csv")
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()))
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == b"Stopped; the export is not complete.\n"
    assert list(tmp_path.iterdir()) == []
