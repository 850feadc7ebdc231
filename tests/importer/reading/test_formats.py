"""The same events in every format give the same stores."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from analytics import clickhouse as engine
from config.settings import BASE_DIR
from importer.models import Import
from importer.running.run import Run, import_file
from projects.models import DEFAULT
from tests import environment
from tests.importer.importing import import_events, refused, rows_of
from tests.importer.reading.formats import (
    NAMES,
    PROPERTIES,
    as_csv,
    as_json_lines,
    as_parquet,
    events,
)
from tests.samples import event
from tests.stored import counts

pytestmark = pytest.mark.usefixtures("stores")


FORMATS: Mapping[str, Callable[[list[dict[str, str]]], bytes]] = {
    "events.csv": as_csv,
    "events.tsv": lambda rows: as_csv(rows, "\t"),
    "semicolons.csv": lambda rows: as_csv(rows, ";"),
    "utf-16.csv": lambda rows: as_csv(rows).decode().encode("utf-16"),
    "events.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "members.csv.gz": lambda rows: b"".join(
        gzip.compress(part) for part in (as_csv(rows)[:999], as_csv(rows)[999:])
    ),
    "events.csv.zst": lambda rows: zstandard.compress(as_csv(rows)),
    "events.ndjson": as_json_lines,
    "bom.ndjson": lambda rows: b"\xef\xbb\xbf" + as_json_lines(rows),
    "events.jsonl.gz": lambda rows: gzip.compress(as_json_lines(rows)),
    "events.jsonl.zst": lambda rows: zstandard.compress(as_json_lines(rows)),
    "events.parquet": as_parquet,
    "no-extension": as_parquet,
}


def cold() -> list[list[Any]]:
    columns = "event_id, occurred_at, user_id, event_type, properties_text"
    return engine.query(
        f"SELECT {columns} FROM events ORDER BY toString(event_id)", project=DEFAULT
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_events(tmp_path: Path, name: str) -> None:
    rows = events(1200)  # more than a chunk
    path = tmp_path / name
    path.write_bytes(FORMATS[name](rows))
    printed, complaints = import_events(path)
    assert "read 1200, stored 1200, duplicate 0, bad 0" in printed
    assert complaints == ""
    expected = sorted(
        [row["event_id"], "2025-05-05 10:00:00.123", row["user_id"], row["event_type"], PROPERTIES]
        for row in rows
    )
    assert cold() == expected


def test_one_format_after_another_stores_nothing_twice(tmp_path: Path) -> None:
    rows = events(50)
    for name, write in FORMATS.items():
        (tmp_path / name).write_bytes(write(rows))
    printed, _ = import_events(*(tmp_path / name for name in FORMATS))
    assert printed.count("stored 0, duplicate 50") == len(FORMATS) - 1
    assert counts() == (50, 0, 50)


def test_an_empty_file_of_json_lines_has_no_events(tmp_path: Path) -> None:
    for name, body in {"a.ndjson": b"", "b.jsonl.gz": gzip.compress(b"")}.items():
        (tmp_path / name).write_bytes(body)
        assert "read 0, stored 0" in import_events(tmp_path / name)[0]


def test_standard_input_is_read_too(tmp_path: Path) -> None:
    body = gzip.compress(as_json_lines(events(10)) + b'{"event_id": 1}\n')
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", str(BASE_DIR / "manage.py"), "import_events", "-"],
        cwd=tmp_path,
        env=environment.of_the_stores(),
        input=body,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    assert "read 11, stored 10, duplicate 0, bad 1" in printed
    assert (tmp_path / "stdin.rejected.csv").exists()


def test_progress_in_parquet_is_told_by_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.running.batches.BATCH_ROWS", 1000)
    path = tmp_path / "events.parquet"
    path.write_bytes(as_parquet(events(4000)))
    seen: list[float] = []
    import_file(path, Run(DEFAULT, watch=lambda row, _: seen.append(row.position / row.size)))
    assert seen == sorted(seen)
    assert seen[0] < 0.8
    assert seen[-1] == 1


def test_nested_values_of_parquet_become_properties(tmp_path: Path) -> None:
    [row] = events(1)
    row |= {"properties": {"tags": ["a", "b"], "page": {"n": 1}}}  # type: ignore[dict-item]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)
    import_events(path)
    [[text]] = engine.query("SELECT properties_text FROM events", project=DEFAULT)
    assert json.loads(text) == {"tags": ["a", "b"], "page": {"n": 1}}


def test_latin_1_is_read_when_it_is_named(tmp_path: Path) -> None:
    row = rows_of(1, user_id="José")
    path = tmp_path / "events.csv"
    path.write_bytes(
        ",".join(NAMES).encode() + b"\n" + ",".join(row[0][:4]).encode("latin-1") + b",{}\n"
    )
    assert "bad 1" in import_events(path)[0]
    assert "stored 1" in import_events(path, "--encoding", "latin-1")[0]
    assert cold()[0][2] == "José"


# --- Which files --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for name in ("a.csv", "deep/b.ndjson", "deep/c.csv.gz"):
        rows = events(5)
        body = as_json_lines(rows) if "json" in name else as_csv(rows)
        (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    (tmp_path / ".hidden.csv").write_bytes(b"")
    (tmp_path / "a.csv.rejected.csv").write_bytes(b"line,reason,raw\n")
    return tmp_path


def test_a_folder_means_all_its_files_of_known_kinds(folder: Path) -> None:
    printed, complaints = import_events(folder)
    assert complaints == ""
    assert [line.split(":")[0] for line in printed.splitlines()] == [
        str(folder / name) for name in ("a.csv", "deep/b.ndjson", "deep/c.csv.gz")
    ]
    assert counts()[2] == 15


def test_a_glob_means_what_it_matches_and_no_rejected_rows(folder: Path) -> None:
    printed, _ = import_events(f"{folder}/*.csv", f"{folder}/a.csv", f"{folder}/**/c.*")
    assert len(printed.splitlines()) == 2
    assert counts()[2] == 10


@pytest.mark.parametrize(
    ("name", "said"), [("", "holds no file to import"), ("*.csv", "matches no file")]
)
def test_a_folder_or_glob_without_files_is_refused(tmp_path: Path, name: str, said: str) -> None:
    assert said in refused(f"{tmp_path}/{name}")[1]
    assert not Import.objects.exists()


def test_rows_that_are_no_events_are_named_in_every_format(tmp_path: Path) -> None:
    good = events(1)[0]
    wrong = event(user_id="")
    lines = as_json_lines([good]) + json.dumps(wrong).encode() + b'\n["no"]\n{"event_id": 1}\n\n'
    (tmp_path / "events.ndjson").write_bytes(lines + as_json_lines(events(1)))
    printed, complaints = import_events(tmp_path / "events.ndjson")
    assert "read 5, stored 2, duplicate 0, bad 3" in printed
    assert "line 2: user_id must have 1 to 200 characters" in complaints
    assert "line 3: not an event in JSON" in complaints
    table = pa.Table.from_pylist([good, {**good, "user_id": None}, {**good, "event_id": "x"}])
    pq.write_table(table, tmp_path / "events.parquet")
    printed, complaints = import_events(tmp_path / "events.parquet")
    assert "read 3, stored 0, duplicate 1, bad 2" in printed
    assert "line 2: user_id is missing" in complaints
    assert "line 3: event_id is not a UUID" in complaints
