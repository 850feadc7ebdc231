"""A client generated from the OpenAPI document calls every endpoint and understands the answers."""

import importlib
import io
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from importer.receiving import upload_jobs
from tests.factories import SavedSegmentFactory
from tests.importer.receiving.uploading import csv_of
from tests.projects.made_keys import secret
from tests.samples import event
from tests.stored import deliver_all
from tests.web_server import Web

NAME = "generated_client"
pytestmark = pytest.mark.usefixtures("stores")


class Generated(NamedTuple):
    """The generated package, and the client that it makes."""

    client: Any
    calls: dict[str, Callable[..., Any]]
    models: Any
    types: Any

    def ask(self, operation: str, *path: Any, **arguments: Any) -> Any:
        """The parsed answer, whose type says which schema it has."""
        return self.answer(operation, *path, **arguments).parsed

    def answer(self, operation: str, *path: Any, **arguments: Any) -> Any:
        return self.calls[operation](*path, client=self.client, **arguments)

    def event(self, **changes: Any) -> Any:
        return self.models.Event.from_dict(event(**changes))


@pytest.fixture(scope="module")
def package(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its name: made without a warning, and without the formatting that nobody reads."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yml").write_text("post_hooks: []\n")
    program = Path(sys.executable).parent / "openapi-python-client"
    done = subprocess.run(
        [
            *(program, "generate", "--url", f"http://127.0.0.1:{web.port}/openapi.json"),
            *("--meta", "none", "--config", "config.yml", "--output-path", NAME),
            "--fail-on-warning",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield NAME
    sys.path.remove(str(folder))


@pytest.fixture
def generated(package: str, web: Web) -> Iterator[Generated]:
    root = importlib.import_module(package)
    api = importlib.import_module(f"{package}.api")
    names = [one.name for one in pkgutil.walk_packages(api.__path__, f"{package}.api.")]
    calls = {
        name.rpartition(".")[2]: importlib.import_module(name).sync_detailed
        for name in names
        if name.count(".") == 3
    }
    models, types = (importlib.import_module(f"{package}.{part}") for part in ("models", "types"))
    address = f"http://127.0.0.1:{web.port}"
    options = {"raise_on_unexpected_status": True, "timeout": 60}
    with root.AuthenticatedClient(base_url=address, token=secret(), **options) as client:
        yield Generated(client, calls, models, types)


# The reports with lists of the people behind their numbers.
BEHIND = (
    *("daily_active_users", "top_events", "retention", "trends", "active_days", "cohorts"),
    "funnel",
)


def test_every_endpoint_is_called_below(generated: Generated) -> None:
    assert generated.calls.keys() == {
        *("post_events", "get_events", "post_imports", "get_import", "get_rejected_rows"),
        *("daily_active_users", "top_events", "retention", "health", "ready", "metrics"),
        *("get_projects", "get_segments", "post_segment", "put_segment", "delete_segment"),
        *("trends", "active_days", "cohorts", "funnel"),
        *(f"{name}_users" for name in BEHIND),
        *("event_types", "properties", "property_values"),
        *("get_users", "get_user", "get_user_events"),
    }


def test_events_go_in_and_come_out(generated: Generated) -> None:
    sent = [generated.event(properties={"plan": 1, "page": {"a": [None]}}), generated.event()]
    batch = generated.models.EventBatch(events=sent)
    assert generated.ask("post_events", body=batch).accepted == 2
    stored = generated.ask("post_events", body=sent, wait=True)
    assert (type(stored).__name__, stored.received, stored.errors) == ("StoredResult", 2, [])
    page = generated.ask("get_events", limit=1, from_=date(2026, 1, 1), user_id="u1")
    rest = generated.ask("get_events", cursor=page.next_, to=datetime.now(UTC))
    assert rest.next_ is None
    shown = {one.event_id: one for one in [*page.events, *rest.events]}
    assert shown.keys() == {one.event_id for one in sent}
    assert shown[sent[0].event_id].properties.to_dict() == {"plan": 1, "page": {"a": [None]}}


def test_what_is_wrong_with_events_is_understood(generated: Generated) -> None:
    bad = generated.event(user_id="a\nb")
    refused = generated.answer("post_events", body=[bad])
    assert refused.status_code == HTTPStatus.BAD_REQUEST
    [error] = refused.parsed.errors
    assert (type(error).__name__, error.index, error.field) == ("EventError", 0, "user_id")
    assert UUID(error.event_id) == bad.event_id
    some = generated.ask("post_events", body=[bad, generated.event()])
    assert (some.accepted, some.rejected) == (1, 1)
    gzip = generated.models.ContentCoding.GZIP
    problem = generated.ask("post_events", body=[generated.event()], content_encoding=gzip)
    assert type(problem).__name__ == "Problem"
    assert problem.detail.startswith("The body is not valid gzip")


def test_the_reports_are_understood(generated: Generated) -> None:
    week = [f"2025-01-{day:02}T12:00:00Z" for day in (6, 7, 13)]
    sent = [generated.event(occurred_at=at, event_type="buy") for at in week]
    generated.ask("post_events", body=sent, wait=True)
    deliver_all()
    days = {"from_": date(2025, 1, 6), "to": date(2025, 1, 7)}
    rows = generated.ask("daily_active_users", **days, segment=["event_type:buy", "user_id:u1"])
    assert [(row.date, row.unique_users) for row in rows] == [
        (date(2025, 1, 6), 1),
        (date(2025, 1, 7), 1),
    ]
    [top] = generated.ask("top_events", **days, limit=5)
    assert (top.event_type, top.count) == ("buy", 2)
    [cohort] = generated.ask("retention", start_date=date(2025, 1, 1), windows=2)
    assert (cohort.cohort_week, cohort.week_0) == (date(2025, 1, 6), 1)
    assert cohort.additional_properties == {"week_1": 100.0, "week_2": 0.0}


def test_saved_segments_are_understood(generated: Generated) -> None:
    row = SavedSegmentFactory.create(name="buyers")
    [shown] = generated.ask("get_segments")
    assert (shown.id, shown.name, shown.text) == (row.pk, row.name, row.text)
    new = generated.models.NewSavedSegment(name="a", text="segment=user_id:u1")
    refused = generated.answer("post_segment", body=new)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    changed = generated.answer("put_segment", row.pk, body=new)
    assert changed.status_code == HTTPStatus.FORBIDDEN
    assert generated.answer("delete_segment", row.pk).status_code == HTTPStatus.FORBIDDEN
    rows = generated.ask(
        "daily_active_users",
        from_=date(2025, 1, 6),
        to=date(2025, 1, 6),
        segment=["saved(buyers)"],
        or_1=["user_id:u1", "didnot(purchase,n>=3,90d)"],
    )
    assert [row.unique_users for row in rows] == [0]


def test_trends_and_what_there_is_are_understood(generated: Generated) -> None:
    days = {"from_": date(2025, 1, 6), "to": date(2025, 1, 7)}
    before = generated.models.TrendsCompare.PREVIOUS
    trend = generated.ask("trends", **days, by="event_type", compare=before, measure="events")
    assert (trend.unit, trend.series, trend.compare.series) == ("day", [], [])
    [line] = generated.ask("trends", **days, measure="sum(properties.amount)").series
    assert [(point.value, point.complete) for point in line.points] == [(0, True), (0, True)]
    assert [row.users for row in generated.ask("active_days", **days).days] == [0, 0]
    mode = generated.models.CohortsMode.ON_OR_AFTER
    steps = ["event_type:page_view", "event_type:a"]
    assert generated.ask("funnel", **days, step=steps, window="2d").steps[0].users == 0
    assert generated.ask("funnel_users", **days, step=steps, dropped=2).total == 0
    assert generated.ask("cohorts", **days, mode=mode, return_="event_type:a") == []
    for operation in ("event_types", "properties"):
        assert not generated.ask(operation, **days).more
    assert not generated.ask("property_values", path="plan", **days).more


def test_people_are_understood(generated: Generated) -> None:
    sent = [generated.event(user_id="a/b"), generated.event(user_id="c")]
    generated.ask("post_events", body=sent, wait=True)
    deliver_all()
    page = generated.ask("get_users", limit=1)
    rest = generated.ask("get_users", cursor=page.next_, segment=["event_type:page_view"])
    assert {it.user_id for it in [*page.users, *rest.users]} == {"a/b", "c"}
    assert (page.total, rest.next_) == (2, None)
    told = generated.ask("get_user", "a/b")
    assert (told.user_id, told.events, told.first_seen) == ("a/b", 1, told.last_seen)
    assert [it.event_type for it in told.event_types] == ["page_view"]
    shown = generated.ask("get_user_events", "a/b")
    assert [it.event_id for it in shown.events] == [sent[0].event_id]
    assert generated.ask("get_user", "nobody").status == HTTPStatus.NOT_FOUND


def test_a_file_goes_in_and_its_rejected_rows_come_out(generated: Generated) -> None:
    body = generated.types.File(payload=io.BytesIO(csv_of(3) + b"bad,row,,,\n"))
    time = generated.models.ImportTime.ISO
    taken = generated.ask("post_imports", body=body, name="a.csv", time=time)
    upload_jobs.import_waiting()
    shown = generated.ask("get_import", taken.id)
    assert (shown.state, shown.stored, shown.bad) == (generated.models.ImportState.DONE, 3, 1)
    assert "event_id is not a UUID,bad,row" in generated.ask("get_rejected_rows", taken.id)
    wrong = generated.ask("post_imports", body=generated.types.File(io.BytesIO(b"x")), map_=["x"])
    assert "must have the form target=value" in wrong.detail
    assert generated.ask("get_import", UUID(int=0)).status == HTTPStatus.NOT_FOUND


def test_the_state_of_the_service_is_understood(generated: Generated) -> None:
    assert [one.slug for one in generated.ask("get_projects")] == ["default"]
    assert generated.ask("health").status == "ok"
    ready = generated.ask("ready")
    assert ready.status == "ok"
    assert ready.stores.additional_properties["postgresql"] == "ok"
    assert "# HELP events_received_total" in generated.ask("metrics")


def test_problems_are_understood(generated: Generated) -> None:
    days = {"from_": date(2025, 1, 2), "to": date(2025, 1, 1)}
    wrong = generated.ask("daily_active_users", **days)
    assert [one.parameter for one in wrong.errors] == ["from"]
    assert generated.ask("get_events", cursor="abc").errors[0].parameter == "cursor"
    generated.client.get_httpx_client().headers["Authorization"] = "Bearer ea_wrong"
    refused = generated.answer("get_events")
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert type(refused.parsed).__name__ == "Problem"
