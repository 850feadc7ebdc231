"""Logs: a JSON object a line, from our code as from libraries, and nothing in it that is secret."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.test import Client

from analytics.people import person
from config.monitoring import logs
from embedded.supervision.processes import PROJECT
from projects.models import DEFAULT
from tests import environment
from tests.samples import event, framed
from tests.stored import deliver_all

OURS = ("config", "projects", "events", "analytics", "importer", "dashboard")


class Lines(logging.Handler):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.formatter())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.written) if line["event"] == name]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_line_says_when_where_and_what(lines: Lines) -> None:
    structlog.get_logger("ours").info("hot_purged", day="2026-01-01")
    [line] = lines.named("hot_purged")
    assert (line["level"], line["logger"], line["day"]) == ("info", "ours", "2026-01-01")
    assert line["timestamp"].endswith("Z")
    assert line["process"] > 0


def test_a_librarys_line_and_its_traceback_have_the_same_shape(lines: Lines) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("library").exception("went %s", "wrong")
    [line] = lines.named("went wrong")
    assert (line["level"], line["logger"]) == ("error", "library")
    assert "ValueError: two\nlines" in line["exception"]
    assert "\n" not in lines.written[0]


def test_what_is_no_json_is_written_as_text(lines: Lines) -> None:
    structlog.get_logger("ours").info("odd", value=object, raw=float("nan"))
    assert "class 'object'" in lines.named("odd")[0]["value"]


@pytest.mark.usefixtures("stores")
def test_a_request_is_one_line_with_its_id_and_without_its_query(
    client: Client, lines: Lines
) -> None:
    client.get("/events?user_id=secret-person", headers={"X-Request-ID": "mine"})
    [line] = lines.named("request")
    assert (line["request_id"], line["method"], line["path"]) == ("mine", "GET", "/events")
    assert line["status"] == 200
    assert line["milliseconds"] >= 0
    assert "secret-person" not in "".join(lines.written)


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("path", ["/users/secret", "/users/secret/events", "/shared/secret"])
@pytest.mark.parametrize("limit", ["0", "2", None])
def test_a_request_about_a_user_or_with_a_link_is_a_line_without_it(
    client: Client, lines: Lines, settings: Any, path: str, limit: str | None
) -> None:
    """Also if it is refused before its route is known."""
    settings.RATE_LIMIT_PER_MINUTE = 1000
    client.get(path if limit is None else f"{path}?limit={limit}")
    [line] = lines.named("request")
    assert line["path"] == f"/{path.split('/')[1]}/*"
    assert "secret" not in "".join(lines.written)


@pytest.mark.usefixtures("stores")
def test_a_request_is_followed_by_its_id_from_the_door_to_the_store(
    client: Client, lines: Lines
) -> None:
    client.post(
        "/events?wait=true",
        json.dumps([event(user_id="secret-person")]).encode(),
        content_type="application/json",
        headers={"X-Request-ID": "mine"},
    )
    [stored] = lines.named("batch_stored")
    assert (stored["request_id"], stored["count"], stored["duplicates"]) == ("mine", 1, 0)
    client.post(
        "/events",
        json.dumps([event()]).encode(),
        content_type="application/json",
        headers={"X-Request-ID": "queued"},
    )
    [queued] = lines.named("events_queued")
    assert (queued["count"], queued["request_ids"]) == (1, ["queued"])
    assert "secret-person" not in "".join(lines.written)


@pytest.mark.usefixtures("stores")
def test_what_a_store_says_of_an_event_it_refuses_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    from analytics import clickhouse, inserting  # noqa: PLC0415
    from events.delivery import background, deliver  # noqa: PLC0415
    from events.models import Batch  # noqa: PLC0415
    from events.storing.store import store  # noqa: PLC0415

    def refuse(**_: object) -> None:
        raise clickhouse.ClickHouseRefused("cannot parse secret-person", code=27)

    monkeypatch.setattr(background, "deliver_soon", lambda *_: None)
    monkeypatch.setattr(inserting, "insert_block", refuse)
    store(
        frames=[framed([event(user_id="secret-person")])],
        source=Batch.Source.REQUEST,
        project=DEFAULT,
    )
    deliver.deliver_due()
    assert Batch.objects.get().error == "cannot parse secret-person"
    assert lines.named("batch_failed")
    assert "secret-person" not in "".join(lines.written)
    Batch.objects.all().delete()


@pytest.mark.usefixtures("clickhouse")
def test_what_a_report_is_asked_for_is_not_logged_while_clickhouse_is_gone(
    client: Client, settings: Any, lines: Lines
) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    path = "/stats/dau?from=2025-01-01&to=2025-01-02&segment=user_id:secret-person"
    assert client.get(path).status_code == 503
    assert lines.named("request")
    assert "secret-person" not in "".join(lines.written)


def test_what_postgresql_quotes_behind_its_message_is_cut_off(lines: Lines) -> None:
    said = 'terminated\nCONTEXT:  COPY hot_events, line 1: "1f55\tsecret-person\t{}"'
    try:
        raise RuntimeError(said)
    except RuntimeError:
        logging.getLogger("library").exception("failed: %s", said)
    structlog.get_logger("ours").warning("failed", error=said)
    assert "secret-person" not in "".join(lines.written)
    assert "RuntimeError: terminated" in "".join(lines.written)


def test_many_requests_are_told_in_lines_that_a_pipe_takes_whole(lines: Lines) -> None:
    ids = [f"{number:064}" for number in range(120)]
    logs.about_requests(structlog.get_logger("ours"), "batch_stored", ids, batch_id="b")
    told = [line for line in map(json.loads, lines.written) if line.get("batch_id") == "b"]
    assert [one for line in told for one in line["request_ids"]] == ids
    assert [line["event"] for line in told] == ["batch_stored", *["batch_stored_also_for"] * 2]
    assert max(map(len, lines.written)) < 4096


def test_half_a_character_does_not_lose_the_line(lines: Lines) -> None:
    structlog.get_logger("ours").info("odd", path="file\udcff.csv")
    assert lines.named("odd")[0]["path"] == "file\udcff.csv"


def test_an_answer_that_is_an_error_is_told_once_and_a_crash_with_its_traceback(
    lines: Lines,
) -> None:
    logging.getLogger("django.request").error("Service Unavailable: /events")
    assert not lines.written
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("django.request").exception("Internal Server Error: /events")
    assert "RuntimeError: broken" in lines.named("Internal Server Error: /events")[0]["exception"]


@pytest.mark.usefixtures("stores")
def test_a_crash_in_a_request_about_a_user_is_told_without_the_id(
    client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(person, "summary", broken)
    client.raise_request_exception = False
    assert client.get("/users/secret").status_code == 500
    assert lines.named("Internal Server Error: /users/*")
    assert "secret" not in "".join(lines.written)


def _parsed(path: Path) -> ast.Module:
    """Python 3.11 fails to parse if another thread comes between at the wrong moment."""
    for _ in range(9):
        with suppress(SystemError):
            return ast.parse(path.read_text())
    return ast.parse(path.read_text())


def _keywords(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Of each log call in a file: its line's name, and the names of what it says."""
    for node in ast.walk(_parsed(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if re.fullmatch(r"log\.\w+|about_requests|say", called):
            texts = [ast.unparse(it) for it in node.args if isinstance(it, ast.Constant)]
            yield "".join(texts), {keyword.arg or "" for keyword in node.keywords}


def test_every_line_about_a_number_calls_it_count() -> None:
    files = [path for app in OURS for path in (PROJECT / app).rglob("*.py")]
    said = [pair for path in files for pair in _keywords(path)]
    assert len(said) > 15
    others = {"events", "ids", "batches", "rows", "messages", "done", "number", "total"}
    assert [name for name, keywords in said if keywords & others] == []
    counted = {name for name, keywords in said if "count" in keywords}
    assert {"'events_queued'", "'batch_stored'", "'batch_delivered'", "'batch_failed'"} < counted


@pytest.mark.usefixtures("stores")
def test_whatever_is_logged_has_the_published_names(client: Client, lines: Lines) -> None:
    client.post("/events?wait=true", json.dumps([event()]), content_type="application/json")
    deliver_all()
    logging.getLogger("celery").warning("a library's")
    said = [json.loads(line) for line in lines.written]
    assert {line["event"] for line in said} > {"request", "batch_stored", "batch_delivered"}
    assert all({"timestamp", "level", "event"} <= set(line) for line in said)
    assert [line["count"] for line in said if line["event"].startswith("batch_")] == [1, 1]


def command(*arguments: str, level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**environment.of_the_stores(), "LOG_LEVEL": level},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.usefixtures("stores")
def test_a_command_answers_on_standard_output_and_logs_elsewhere(tmp_path: Path) -> None:
    """As `docker compose exec api` runs it, where a container has its server's LOG_LEVEL."""
    path = tmp_path / "events.ndjson"
    path.write_text(json.dumps(event()))
    quiet = command("import_events", str(path), level="INFO")
    assert quiet.stdout.startswith(f"{path}: read 1, stored 1")
    assert quiet.stderr == ""
    detailed = command("import_events", "--force", str(path), level="DEBUG")
    assert detailed.stdout.startswith(f"{path}: read 1, stored 0, duplicate 1")
    assert len(detailed.stdout.splitlines()) == 1
    lines = [json.loads(line) for line in detailed.stderr.splitlines()]
    assert "batch_stored" in {line["event"] for line in lines}


@pytest.mark.usefixtures("stores")
def test_a_key_that_is_made_is_all_that_is_on_standard_output() -> None:
    answer = command("make_api_key", "website", "--scope", "ingest", level="DEBUG")
    assert len(answer.stdout.split()) == 1
    assert answer.stdout.strip() not in answer.stderr
