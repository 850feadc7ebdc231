"""Rows that are refused: where they go, how they come back, and how many are too many."""

import threading
from pathlib import Path

import pytest

from analytics import clickhouse as engine
from importer.mapping.options import MaxErrors, Options
from importer.models import Import
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests.importer.importing import HEADER, import_events, refused, rows_of, written
from tests.stored import counts

pytestmark = pytest.mark.usefixtures("stores", "small_batches")

ROWS = 24_000


def test_a_dry_run_checks_everything_and_stores_nothing(tmp_path: Path) -> None:
    rows = rows_of(2500)
    rows[7][1] = "yesterday"
    path = written(tmp_path / "events.csv", rows)
    printed, complaints = import_events(path, "--dry-run")
    assert "read 2500, bad 1, nothing stored" in printed
    assert "line 9: occurred_at is not" in complaints
    rejected = Path(f"{path}.dry-run.rejected.csv").read_text("utf-8-sig")
    assert [line.split(",")[0] for line in rejected.splitlines()] == ["line", "9"]
    assert counts() == (0, 0, 0)
    assert not Import.objects.exists()
    assert "stored 2499" in import_events(path)[0]


def test_rejected_rows_are_mended_and_imported_by_the_same_command(tmp_path: Path) -> None:
    rows = rows_of(6)
    rows[2][0] = "no-uuid"
    rows[4] = rows[4][:3]
    path = written(tmp_path / "events.csv", rows)
    import_events(path)
    rejected = Path(f"{path}.rejected.csv")
    text = rejected.read_text("utf-8-sig")
    assert text.splitlines()[0] == ",".join(["line", "reason", *HEADER])
    printed, _ = import_events(rejected)
    assert "read 2, stored 0, duplicate 0, bad 2" in printed
    mended = text.replace("no-uuid", "0191f5a0-0000-7000-8000-000000000001")
    rejected.write_text(mended.replace(",".join(rows[4]), ",".join([*rows[4], "buy", "{}"])))
    assert "read 2, stored 2" in import_events(rejected)[0]
    assert counts() == (6, 6, 6)


def test_a_rejected_row_that_no_encoding_of_unicode_holds_is_written_all_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.csv"
    head = ",".join(HEADER)
    path.write_bytes(f"{head}\nno-uuid,2026-01-01T00:00:00Z,".encode() + b"+2D0-,t,{}\n")
    printed, _ = import_events(path, "--encoding", "utf-7")
    assert "read 1, stored 0, duplicate 0, bad 1" in printed
    assert r"\ud83d" in Path(f"{path}.rejected.csv").read_text("utf-8-sig")


def test_rejected_lines_of_json_are_mended_too(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"event": "x", "properties": {"distinct_id": "u\\u00e9", "time": "soon"}}\n')
    options = ("--preset", "mixpanel")
    import_events(path, *options)
    rejected = Path(f"{path}.rejected.csv")
    said = rejected.read_text("utf-8-sig")
    assert said.startswith('line,reason,raw\n1,"occurred_at must be a number of seconds')
    rejected.write_text(rejected.read_text().replace('""soon""', "1767225600"))
    assert "read 1, stored 1" in import_events(rejected, *options)[0]


@pytest.mark.parametrize(
    ("limit", "ends"), [("89", True), ("90", False), ("8%", True), ("9%", False)]
)
def test_too_many_bad_rows_stop_it(tmp_path: Path, limit: str, ends: bool) -> None:
    rows = [["bad"]] * 90 + rows_of(5910)
    path = written(tmp_path / "events.csv", rows)
    if ends:
        assert "more than max_errors allows" in refused(path, "--max-errors", limit)[1]
        assert Import.objects.get().read < 6000
        assert Path(f"{path}.rejected.csv").exists()
    else:
        assert "read 6000" in import_events(path, "--max-errors", limit)[0]


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["import", "dry run"])
def test_of_few_rows_a_percentage_is_told_at_the_end(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = written(tmp_path / "events.csv", [*rows_of(5), ["bad"]])
    few, enough = ("--max-errors", "16%"), ("--max-errors", "17%")
    assert "stopped, because 1 of 6 rows are bad" in refused(path, *few, *options)[1]
    assert "read 6" in import_events(path, *enough, *options)[0]


def test_a_dry_run_ends_as_soon_as_too_many_rows_are_bad(tmp_path: Path) -> None:
    path = written(tmp_path / "events.csv", [["bad"], *rows_of(2500)])
    _, complaints = refused(path, "--dry-run", "--max-errors", "0")
    assert "stopped, because 1 of 1,000 rows are bad" in complaints


def test_a_stopped_import_shows_no_percentage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.reading.chunks.CHUNK_ROWS", 100)
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 100)
    rows = rows_of(300)
    for row in rows[:50]:
        row[0] = "bad"
    stop, options = threading.Event(), Options(max_errors=MaxErrors(percent=20))
    path = written(tmp_path / "events.csv", rows)
    run = Run(DEFAULT, options=options, stop=stop, watch=lambda *_: stop.set())
    assert import_file(path, run).row.state == Import.State.STOPPED
    assert "read 300, stored 250" in import_events(path, "--max-errors", "20%")[0]


def test_where_rejected_rows_cannot_be_written_nothing_is_skipped(tmp_path: Path) -> None:
    rows = rows_of(1500)
    rows[1200] = ["bad"]
    path = written(tmp_path / "events.csv", rows)
    _, complaints = refused(path, "--rejected", "/dev/full")
    assert "the file for rejected rows, /dev/full/" in complaints
    assert "read 1500, stored 1499, duplicate 0, bad 1" in import_events(path)[0]


def test_a_dry_run_with_too_many_bad_rows_fails_and_touches_no_rejected_rows(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "events.csv", [["bad"], *rows_of(5)])
    import_events(path)
    rejected = Path(f"{path}.rejected.csv").read_bytes()
    assert "more than max_errors allows" in refused(path, "--dry-run", "--max-errors", "0")[1]
    assert Path(f"{path}.rejected.csv").read_bytes() == rejected
    import_events(path, "--force")
    assert Path(f"{path}.rejected.csv.old").read_bytes() == rejected


def test_in_one_folder_for_all_rejected_rows_files_of_one_name_are_apart(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for month in ("june", "july"):
        (tmp_path / month).mkdir()
        written(tmp_path / month / "events.csv", [["bad"], *rows_of(1)])
    import_events(tmp_path / "june", tmp_path / "july", "--rejected", tmp_path / "all")
    assert len(list((tmp_path / "all").iterdir())) == 2


def test_rejected_rows_of_another_encoding_and_delimiter_come_back_as_they_were(
    tmp_path: Path,
) -> None:
    [row] = rows_of(1, user_id="José", occurred_at="soon")
    path = tmp_path / "events.csv"
    path.write_bytes("\n".join(["#".join(HEADER[:4]), "#".join(row[:4])]).encode("latin-1"))
    options = ("--encoding", "latin-1", "--delimiter", "#")
    assert "bad 1" in import_events(path, *options)[0]
    rejected = Path(f"{path}.rejected.csv")
    rejected.write_bytes(rejected.read_bytes().replace(b"soon", b"2026-01-01T00:00:00Z", 2))
    rejected.write_bytes(rejected.read_bytes().replace(b"2026-01-01T00:00:00Z", b"soon", 1))
    assert "stored 1" in import_events(rejected, *options)[0]
    assert engine.query("SELECT user_id FROM events", project=DEFAULT) == [["José"]]
