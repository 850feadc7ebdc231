"""Rejected rows of what lies in no folder that can be written: standard input, a pipe."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from embedded.supervision.processes import PROJECT
from importer.models import Import
from importer.receiving import upload_jobs
from tests import environment
from tests.importer.importing import HEADER, import_events, rows_of, written
from tests.stored import counts

pytestmark = pytest.mark.usefixtures("stores")

# Nobody can make a file in it, not even root.
UNWRITABLE = "/proc"


def text_of(*rows: list[str]) -> bytes:
    return "\n".join(",".join(row) for row in [HEADER[:4], *(row[:4] for row in rows)]).encode()


def from_standard_input(
    text: bytes, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """As `docker compose exec -T … import_events -` runs it, in a file system that is read-only."""
    return subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "import_events", "-", *options],
        cwd=UNWRITABLE,
        env={**environment.of_the_stores(), "IMPORT_FOLDER": str(folder), "LOG_LEVEL": "INFO"},
        input=text.decode(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_standard_input_with_a_bad_row_is_imported_where_nothing_can_be_written_beside_it(
    folder: Path,
) -> None:
    answer = from_standard_input(text_of(["bad"] * 4, *rows_of(3)), folder)
    assert answer.returncode == 0, answer.stderr
    assert "read 4, stored 3, duplicate 0, bad 1" in answer.stdout
    last = answer.stdout.splitlines()[-1]
    [path] = re.findall(r"^Rejected rows are in (.+)$", last)
    assert Path(path).parent == folder / "rejected"
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert re.fullmatch(r"stdin\.[0-9a-f]{8}\.rejected\.csv", Path(path).name)
    assert "event_id is not a UUID,bad,bad,bad,bad" in Path(path).read_text("utf-8-sig")
    assert counts() == (3, 3, 3)
    # Nobody knows how large it is before its end.
    assert Import.objects.get().size == 0


def test_a_folder_that_is_named_for_rejected_rows_wins(folder: Path, tmp_path: Path) -> None:
    text = text_of(["bad"] * 4, *rows_of(1))
    answer = from_standard_input(text, folder, "--rejected", str(tmp_path))
    assert f"Rejected rows are in {tmp_path}/stdin." in answer.stdout
    assert not folder.exists()


def test_the_rejected_rows_of_a_pipe_go_where_they_can_be_written(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, text_of(["bad"] * 4, *rows_of(2)))
        os.close(writer)
        printed, _ = import_events(f"/dev/fd/{reader}")
    finally:
        os.close(reader)
    assert "read 3, stored 2, duplicate 0, bad 1" in printed
    assert f"Rejected rows are in {folder}/rejected/{reader}." in printed


def test_rejected_rows_in_the_folder_of_uploads_are_kept_as_long_as_those(
    folder: Path, settings: Any
) -> None:
    from_standard_input(text_of(["bad"] * 4), folder)
    later = datetime.now(UTC) + timedelta(days=settings.IMPORT_DAYS)
    upload_jobs.purge(now=later - timedelta(hours=1))
    assert len(list((folder / "rejected").iterdir())) == 1
    upload_jobs.purge(now=later + timedelta(hours=1))
    assert list((folder / "rejected").iterdir()) == []


def test_beside_a_file_that_can_be_written_is_where_rejected_rows_go(
    folder: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "events.csv", [["bad"], *rows_of(1)])
    assert f"Rejected rows are in {path}.rejected.csv" in import_events(path)[0]
    assert not folder.exists()
