"""`manage.py export_events`: what it writes is what `import_events` stores again."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from pyarrow.parquet import read_table

from events.models import Batch
from importer.exports.exporting import Export, export
from importer.exports.output import OutputRefused
from projects.models import DEFAULT
from tests.events.auditing.damage import agreeing, content
from tests.factories import SavedSegmentFactory
from tests.importer.exports.exports import (
    FORMATS,
    NASTY,
    delivered,
    delivered_nasty,
    empty_stores,
    export_events,
    exported,
    forked,
    put,
    refused,
)
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


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


def test_csv_keeps_texts_whole_whatever_a_spreadsheet_divides_by(tmp_path: Path) -> None:
    put([event(user_id="a;b", event_type="c;d", properties={})])
    deliver_all()
    export_events("--output", path := tmp_path / "events.csv")
    _, row = path.read_bytes().splitlines()
    assert row.split(b"Z,")[1] == b'"a;b","c;d",{}'


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
    unknown = tmp_path / "events.bak"
    export_events("--output", unknown, "--format", "csv")
    assert unknown.read_text() == path.read_text()


def test_days_are_of_utc_and_both_included(tmp_path: Path) -> None:
    [first] = delivered(occurred_at="2025-03-01T00:00:00Z")
    [last] = delivered(occurred_at="2025-03-02T23:59:59.999Z")
    [before] = delivered(occurred_at="2025-03-01T01:59:59.999+02:00")
    [after] = delivered(occurred_at="2025-03-03T00:00:00Z")
    assert exported(tmp_path, "--from", "2025-03-01", "--to", "2025-03-02") == {first, last}
    assert exported(tmp_path, "--from", "2025-03-01") == {first, last, after}
    assert exported(tmp_path, "--to", "2025-03-02") == {before, first, last}
    assert exported(tmp_path) == {before, first, last, after}


def test_days_before_1970_and_after_2100_are_not_taken_for_others(tmp_path: Path) -> None:
    [first] = delivered(occurred_at="1970-01-01T00:00:00Z")
    delivered()
    assert exported(tmp_path, "--from", "0001-01-01", "--to", "1970-01-01") == {first}
    assert exported(tmp_path, "--from", "0001-01-01", "--to", "1969-12-31") == set()
    assert exported(tmp_path, "--from", "2101-01-01", "--to", "9999-12-31") == set()


def test_all_segments_must_hold(tmp_path: Path) -> None:
    plain = delivered(properties={"plan": "pro"})
    bought = delivered(properties={"plan": "pro"}, event_type="purchase")
    delivered(properties={"plan": "free"}, event_type="purchase")
    pro, purchase = "properties.plan:pro", "event_type=purchase"
    assert exported(tmp_path, "--segment", pro) == plain | bought
    assert exported(tmp_path, "--segment", pro, purchase) == bought
    assert exported(tmp_path, "--segment", pro, "--segment", purchase) == bought
    assert (
        exported(tmp_path, "--segment", pro, "--segment", f"not({purchase.replace('=', ')=')}")
        == plain
    )


def test_of_a_group_one_segment_must_hold(tmp_path: Path) -> None:
    plain, bought = delivered(properties={"plan": "pro"}), delivered(event_type="purchase")
    delivered()
    either = ("--or", "properties.plan:pro", "event_type:purchase")
    assert exported(tmp_path, *either) == plain | bought
    assert exported(tmp_path, *either, "--or", "event_type:purchase") == bought


def test_a_saved_segment_and_what_a_user_did_are_exported_too(tmp_path: Path) -> None:
    SavedSegmentFactory.create(name="buyers", text="segment=did(purchase,n>%3D2,30d)")
    delivered(2, event_type="purchase", user_id="u1")
    delivered(event_type="purchase", user_id="u2")
    ours = exported(tmp_path, "--segment", "saved(buyers)")
    assert len(ours) == 2
    assert ours == exported(tmp_path, "--segment", "user_id:u1")


def test_a_window_ends_with_the_last_day_of_the_export(tmp_path: Path) -> None:
    delivered(event_type="purchase", occurred_at="2025-01-01T12:00:00Z")
    [later] = delivered(occurred_at="2025-01-31T12:00:00Z")
    asked = ("--from", "2025-01-31", "--to", "2025-01-31", "--segment")
    assert exported(tmp_path, *asked, "did(purchase,31d)") == {later}
    assert exported(tmp_path, *asked, "did(purchase,30d)") == set()


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


def test_events_that_wait_for_clickhouse_are_said_to_be_missing_perhaps(tmp_path: Path) -> None:
    known = delivered()
    with transaction.atomic():  # claimed before this process's delivery thread can see them
        put([event(), event()])
        Batch.objects.filter(state=Batch.State.PENDING).update(claimed_until=moment(days=-1))
    said = export_events("--output", tmp_path / "one.ndjson")
    assert "ClickHouse had not confirmed 2 stored events; the export may lack such events" in said
    assert exported(tmp_path) == known
    Batch.objects.update(claimed_until=None)
    deliver_all()
    assert "may lack" not in export_events("--output", tmp_path / "two.ndjson")


def test_what_the_buffer_holds_is_exported(tmp_path: Path, settings: Any) -> None:
    settings.CLICKHOUSE_USE_BUFFER = True
    known = delivered(3)
    assert exported(tmp_path) == known


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "2025-01-02", "--to", "2025-01-01"], "--from is after --to"),
        (["--from", "yesterday"], "argument --from: 'yesterday' is not a date"),
        (["--from", "2025-W01-1"], "argument --from: '2025-W01-1' is not a date"),
        (["--to", "2025-02-30"], "argument --to: '2025-02-30' is not a date"),
        (["--segment", "country:UA"], "segment 1: the field must be event_type, user_id or"),
        (["--segment", "user_id:a", "nothing"], "segment 2: expected field:value"),
        (["--or", "user_id:a", "--or", "x"], "--or.2: alternative 1: expected field:value"),
        (["--segment", "saved(nobody's)"], "segment 1: there is no saved segment"),
        (["--segment", "match(user_id):("], "segment 1: the pattern can't be used: missing )"),
        (["--format", "xml"], "argument --format: invalid choice: 'xml'"),
        (["--output", "events.parquet.gz"], "events.parquet.gz: Parquet is compressed already"),
        (["--output", "all.xls"], "all.xls: the ending .xls is not known; use .ndjson, .jsonl, "),
        (["--output", "x.csv.bz2"], "x.csv.bz2: the ending .bz2 is not known; use .ndjson, .jso"),
        (["--output", "x.tsv.gz"], "or .zst except .parquet, or say what to write with --format"),
        (["--output", "/no/such/folder/events.csv"], "/no/such/folder/events.csv cannot be wri"),
        (["--output", "/tmp"], "/tmp is a folder"),
        (["--output", "/dev/full"], "/dev/full cannot be written: No space left on device"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(arguments: list[str], complaint: str) -> None:
    if arguments[0] == "--output":
        delivered()
    assert complaint in refused(*arguments)


def test_a_file_that_exists_is_replaced_only_if_told_so(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("precious")
    assert refused("--output", path) == f"{path} exists already; use --overwrite to replace it"
    assert path.read_text() == "precious"
    export_events("--output", path, "--overwrite")
    assert path.read_text().startswith("event_id,")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_has_come_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    delivered()
    path = tmp_path / "events.csv"
    with pytest.raises(OutputRefused, match="exists"):
        export(Export(DEFAULT, path=path, watch=lambda _: path.write_text("precious")))
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    export_events("--output", link)
    assert link.is_symlink()
    assert target.read_text().startswith("event_id,")


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_standard_output_takes_what_a_file_would(kind: str, tmp_path: Path) -> None:
    delivered(50)
    path = tmp_path / f"events.{kind}"
    export_events("--output", path)
    printed, said = forked("--format", kind).communicate(timeout=60)
    assert sorted(printed.splitlines()) == sorted(path.read_bytes().splitlines())
    assert said.startswith(b"50 events in ")


def test_standard_output_takes_parquet() -> None:
    known = delivered(50)
    printed, _ = forked("--format", "parquet").communicate(timeout=60)
    assert set(read_table(io.BytesIO(printed))["event_id"].to_pylist()) == known
