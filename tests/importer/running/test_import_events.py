"""`manage.py import_events`: files into all three stores, once."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from analytics import clickhouse as engine
from config.settings import BASE_DIR
from events.models import Batch, Dedup, HotEvent, PropertySchema
from importer.management.commands.import_events import Command
from importer.models import Import
from projects.models import DEFAULT
from tests import environment
from tests.factories import PropertySchemaFactory
from tests.importer.importing import HEADER, import_events, refused, rows_of, written
from tests.stored import counts, deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


def test_when_the_command_ends_the_events_are_in_every_store(tmp_path: Path) -> None:
    old = rows_of(30, occurred_at="2019-05-05T10:00:00Z")
    path = written(tmp_path / "events.csv", rows_of(70) + old)
    printed, complaints = import_events(path)
    assert "read 100, stored 100, duplicate 0, bad 0" in printed
    assert complaints == ""
    assert counts() == (100, 70, 100)
    row = Import.objects.get()
    assert (row.state, row.read, row.stored) == (Import.State.DONE, 100, 100)
    assert row.attempts == 0


def test_what_was_written_in_the_file_is_what_is_stored(tmp_path: Path) -> None:
    properties = '{"page": {"section": "новини, \\"нові\\""},\n "n": 1.50}'
    [row] = rows_of(1, user_id='José "Pepe", jr', properties=properties)
    import_events(written(tmp_path / "events.csv", [row]))
    stored = HotEvent.objects.get()
    assert (str(stored.event_id), stored.user_id, stored.event_type) == (row[0], row[2], row[3])
    [[text]] = engine.query("SELECT properties_text FROM events", project=DEFAULT)
    assert stored.properties == text == '{"page":{"section":"новини, \\"нові\\""},"n":1.50}'


def test_several_transactions_hold_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    rows = rows_of(4500)
    printed, _ = import_events(written(tmp_path / "events.csv", rows + rows[:500]))
    assert "read 5000, stored 4500, duplicate 500, bad 0" in printed
    assert Batch.objects.count() == 5
    assert counts() == (4500, 4500, 4500)


def test_the_batches_of_a_large_file_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importer.reading.chunks.CHUNK_ROWS", 100)
    monkeypatch.setattr("importer.running.batches.SMALL_BATCH_ROWS", 200)
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 400)
    import_events(written(tmp_path / "events.csv", rows_of(2450)))
    sizes = Batch.objects.order_by("id").values_list("received", flat=True)
    assert [*sizes] == [200, 200, 200, 200, 200, 300, 400, 400, 350]


def test_the_same_file_again_is_skipped_unless_forced(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", rows_of(50))
    import_events(path)
    assert "skipped, imported before" in import_events(path)[0]
    assert "read 50, stored 0, duplicate 50, bad 0" in import_events(path, "--force")[0]
    assert counts() == (50, 50, 50)
    assert Import.objects.count() == 1


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path, rows = tmp_path / "events.csv", rows_of(50)
    import_events(written(path, rows))
    printed, _ = import_events(written(path, rows + rows_of(1)))
    assert "read 51, stored 1, duplicate 50, bad 0" in printed
    os.utime(path, (0, 0))
    assert "stored 0, duplicate 51" in import_events(path)[0]


def test_a_copy_under_another_name_stores_nothing_new(tmp_path: Path) -> None:
    rows = rows_of(50)
    import_events(written(tmp_path / "one.csv", rows))
    assert "stored 0, duplicate 50" in import_events(written(tmp_path / "two.csv", rows))[0]


def test_bad_rows_are_named_by_line_and_the_rest_is_stored(tmp_path: Path) -> None:
    rows = rows_of(6)
    rows[1][0] = "no-uuid"
    rows[2][4] = '{"a":\n 1}'
    rows[3][1] = "yesterday"
    rows[4][4] = '{"a":1,"a":2}'
    path = written(tmp_path / "events.csv", rows)
    printed, complaints = import_events(path)
    assert "read 6, stored 3, duplicate 0, bad 3" in printed
    assert f"Rejected rows are in {path}.rejected.csv" in printed
    assert complaints.splitlines() == [
        f"{path}, line 3: event_id is not a UUID",
        f"{path}, line 6: occurred_at is not an ISO 8601 date and time: 'yesterday'",
        f"{path}, line 7: properties: key 'a' appears twice",
    ]
    assert counts() == (3, 3, 3)
    assert Import.objects.get().bad == 3


def test_the_first_of_many_bad_rows_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    rows = [row if n % 2 else ["bad"] for n, row in enumerate(rows_of(4000))]
    printed, complaints = import_events(written(tmp_path / "events.csv", rows))
    assert "read 4000, stored 2000, duplicate 0, bad 2000" in printed
    assert complaints.count("line ") == 20
    assert "1980 more bad rows" in complaints


def test_properties_must_satisfy_the_schema_of_their_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PropertySchemaFactory.create(event_type="purchase", schema={"required": ["amount"]})
    monkeypatch.setattr("events.ingest.property_schemas._loaded_at", float("-inf"))
    rows = rows_of(1) + rows_of(1, event_type="purchase")
    path = written(tmp_path / "events.csv", rows)
    printed, complaints = import_events(path)
    assert "read 2, stored 1, duplicate 0, bad 1" in printed
    assert complaints.startswith(f"{path}, line 3: properties: ")
    assert '"amount" is a required property' in complaints


def test_a_schema_that_cant_be_used_stops_an_import_which_goes_on_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PropertySchemaFactory.create(event_type="purchase", schema={"$ref": "#/$defs/missing"})
    monkeypatch.setattr("events.ingest.property_schemas._loaded_at", float("-inf"))
    path = written(tmp_path / "events.csv", rows_of(2) + rows_of(1, event_type="purchase"))
    _, complaints = refused(path)
    assert "the property schema of 'purchase' can't be used: $ref" in complaints
    PropertySchema.objects.all().delete()
    monkeypatch.setattr("events.ingest.property_schemas._loaded_at", float("-inf"))
    import_events(path)
    assert counts()[:2] == (3, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_is_drawn_over_itself(tmp_path: Path) -> None:
    rows = rows_of(300)
    rows[7][1] = "yesterday"
    shown = Terminal()
    path = written(tmp_path / "events.csv", rows)
    call_command("import_events", str(path), stdout=io.StringIO(), stderr=shown)
    *before, last = shown.getvalue().split("\n")
    assert [line.rpartition("\r")[2] for line in before] == [
        f"{path}, line 9: occurred_at is not an ISO 8601 date and time: 'yesterday'"
    ]
    assert "events.csv   0%|" in last
    assert "\x1b[31" not in shown.getvalue()


def test_a_file_that_is_refused_harms_no_other(tmp_path: Path) -> None:
    wrong = written(tmp_path / "wrong.csv", [], header=["event_id", "user_id"])
    good = written(tmp_path / "good.csv", rows_of(10))
    absent = tmp_path / "absent.csv"
    printed, complaints = refused(wrong, absent, good)
    assert f"{good}: read 10, stored 10" in printed
    assert f"{wrong}: the header has no occurred_at, event_type" in complaints
    assert "--map occurred_at=COLUMN of the command, or map of the page or the API" in complaints
    assert f"{absent} cannot be read: No such file or directory" in complaints
    assert "2 of 3 files failed" in complaints
    assert counts() == (10, 10, 10)
    row = Import.objects.get(path=str(wrong))
    assert row.state == Import.State.FAILED
    assert "the header has no occurred_at" in row.error


def test_a_file_without_rows_is_imported(tmp_path: Path) -> None:
    assert "read 0, stored 0" in import_events(written(tmp_path / "events.csv", []))[0]


def test_while_clickhouse_is_down_the_outbox_keeps_what_is_imported(
    tmp_path: Path, settings: Any
) -> None:
    there = settings.CLICKHOUSE_URL
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    printed, _ = import_events(written(tmp_path / "events.csv", rows_of(20)))
    assert "stored 20" in printed
    assert "1 batches wait for ClickHouse" in printed
    settings.CLICKHOUSE_URL = there
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert counts() == (20, 20, 20)


def test_an_import_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    rows = rows_of(30_000)
    path = written(tmp_path / "events.csv", rows)
    first = subprocess.Popen(
        [sys.executable, "manage.py", "import_events", str(path)],
        cwd=BASE_DIR,
        env=environment.of_the_stores(),
    )
    wait_until(lambda: Import.objects.filter(stored__gt=0).exists() or first.poll() is not None)
    first.kill()
    assert first.wait() == -9
    assert Import.objects.get().state == Import.State.RUNNING
    stored = Dedup.objects.count()
    assert 0 < stored < 30_000
    printed, _ = import_events(path)
    assert f"continued after {stored} rows of an earlier run" in printed
    assert "read 30000, stored 30000, duplicate 0, bad 0" in printed
    Batch.objects.update(claimed_until=None)  # what the killed process may have claimed
    deliver_all()
    assert counts() == (30_000, 30_000, 30_000)


def test_a_file_is_imported_by_one_process_at_a_time(tmp_path: Path) -> None:
    pipe = tmp_path / "events.csv"
    os.mkfifo(pipe)
    first = threading.Thread(target=_import_in_thread, args=(pipe,))
    first.start()
    wait_until(lambda: Import.objects.filter(state=Import.State.RUNNING).exists())
    assert f"{pipe} is being imported by another process" in refused(pipe)[1]
    pipe.write_text(",".join(HEADER) + "\n")
    first.join(timeout=20)
    assert Import.objects.get().state == Import.State.DONE


def _import_in_thread(path: Path) -> None:
    import_events(path)
    connections.close_all()


def test_the_help_offers_no_empty_choice() -> None:
    said = Command().create_parser("manage.py", "import_events").format_help()
    assert "--preset {mixpanel," in said
    assert "{," not in said
