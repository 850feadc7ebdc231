"""The page of the service's own health: who sees it, what it says, and that it always answers."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.test import Client

from dashboard.operators import signs
from events.models import Batch
from events.monitoring import state
from tests.dashboard.read import links, text, texts
from tests.factories import BatchFactory
from tests.projects.made_keys import bearer, secret
from tests.projects.made_people import browser, member, person
from tests.projects.test_keyring import postgresql_down

pytestmark = pytest.mark.usefixtures("stores")
PATH, PART = "/dashboard/health", "/dashboard/health/panels/health"
NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    state.forget()


@pytest.fixture
def staff() -> Client:
    return browser(person(is_staff=True))


def shown(client: Client, path: str = PATH, status: int = 200, **meta: str) -> str:
    answer = client.get(path, **meta)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.content
    return str(answer.content.decode())


def lines(html: str) -> dict[str, tuple[str, str, str]]:
    """Of each sign: its value, how it is, and what to do."""
    found = {}
    kinds = r'<li class="(good|warn|bad|unknown)">(.*?)</li>'
    for kind, line in re.findall(kinds, html, re.DOTALL):
        [what], [value] = (texts(line, f'<span class="{it}"', "span") for it in ("what", "value"))
        found[what] = value, kind, " ".join(texts(line, "<p", "p"))
    return found


@pytest.mark.parametrize("path", [PATH, PART])
def test_the_staff_see_how_the_service_is(staff: Client, path: str, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    html = shown(staff, path)
    found = lines(html)
    assert {"PostgreSQL", "ClickHouse", "Redis, the rate limit"} <= found.keys()
    assert found["PostgreSQL"] == ("answers", "good", "")
    assert found["Set aside"] == ("nothing", "good", "")
    assert found["Disk of ClickHouse"][0].endswith("GB)")
    assert "Version 0.1.0" in text(html)
    assert "/admin/" in links(html)


def test_a_batch_set_aside_is_told_with_what_to_do(staff: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    BatchFactory.create(state=Batch.State.FAILED)
    html = shown(staff)
    value, state, todo = lines(html)["Set aside"]
    assert (value, state) == ("1 batch", "warn")
    assert "docs/alerts.md" in todo
    assert "/admin/events/batch/" in links(html)


def test_who_is_not_of_the_staff_does_not_see_it(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    for path in (PATH, PART):
        assert Client().get(path)["Location"] == f"/login?next={path}"
        html = shown(browser(member("admin")), path, 403)
        assert "for the staff" in text(html)
        assert lines(html) == {}
        assert lines(shown(Client(headers=bearer(secret())), path, 403)) == {}


def test_where_no_key_is_required_the_machine_itself_sees_it_and_the_network_does_not(
    settings: Any,
) -> None:
    settings.API_KEYS_REQUIRED = False
    assert lines(shown(Client()))
    for meta in ({"REMOTE_ADDR": "192.168.1.5"}, {"HTTP_X_FORWARDED_FOR": "192.168.1.5"}):
        assert Client().get(PATH, **meta).status_code == 302  # type: ignore[arg-type]
    settings.METRICS_TOKEN = "a token of sixteen characters"
    assert Client().get(PATH).status_code == 302


@pytest.fixture
def down(settings: Any) -> Any:
    """Makes a store one that is not there."""

    def stop(store: str) -> None:
        if store == "clickhouse":
            settings.CLICKHOUSE_URL = f"http://default@{NOWHERE}/default"
        else:
            caches = {**settings.CACHES}
            caches["rate_limit"] = {**caches["rate_limit"], "LOCATION": [f"redis://{NOWHERE}/0"]}
            settings.CACHES = caches

    return stop


def test_it_answers_without_clickhouse(staff: Client, settings: Any, down: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    down("clickhouse")
    found = lines(shown(staff))
    assert found["ClickHouse"][:2] == ("does not answer", "bad")
    assert "There are no reports" in found["ClickHouse"][2]
    assert found["Disk of ClickHouse"][:2] == ("not known", "unknown")
    assert found["PostgreSQL"][1] == "good"


def test_it_answers_without_the_redis_that_counts_requests(
    staff: Client, settings: Any, down: Any
) -> None:
    settings.API_KEYS_REQUIRED = True
    down("rate_limit")
    found = lines(shown(staff))
    assert found["Redis, the rate limit"][:2] == ("does not answer", "bad")
    assert found["Workers"][1] == "unknown"
    assert found["PostgreSQL"][1] == "good"
    answer = staff.get("/dashboard/")
    assert (answer.status_code, answer["Content-Type"][:9]) == (503, "text/html")


def test_without_postgresql_it_says_no_more_than_ready(staff: Client, settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with postgresql_down():
        for path in (PATH, PART):
            html = shown(staff, path)
            found = lines(html)
            state.forget()
            assert found.pop("PostgreSQL")[1] == "bad"
            assert {value for value, _, _ in found.values()} == {"answers"}
            assert "who you are" in text(html)
            assert "Version" not in html


def test_a_stranger_with_a_made_up_session_has_the_stores_asked_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_KEYS_REQUIRED = True
    readers, asked = state._readers, []

    def counted() -> Any:
        asked.append(1)
        return readers()

    monkeypatch.setattr(state, "KEPT_SECONDS", 60.0)
    monkeypatch.setattr(state, "_readers", counted)
    stranger = Client()
    stranger.cookies["sessionid"] = "made up"
    for path in (PATH, PART, PATH):
        assert stranger.get(path).status_code == 302
    assert len(asked) == 1


def test_two_at_once_ask_a_store_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ThreadPoolExecutor):
        """Leaves time for another thread between the look and what it leads to."""

        def submit(self, *given: Any, **more: Any) -> Any:
            asked.append(1)
            time.sleep(0.1)
            return super().submit(*given, **more)

    asked: list[int] = []
    leave = Event()
    monkeypatch.setattr(state, "_asked", {})
    monkeypatch.setattr(state, "_readers", lambda: {"slow": lambda: [leave.wait(20)]})
    with Slow(1) as threads, ThreadPoolExecutor(4) as people:
        monkeypatch.setattr(state, "_threads", threads)
        found = [people.submit(state._read_all, 0.0) for _ in range(4)]
        assert [it.result() for it in found] == [{"slow": None}] * 4
        leave.set()
    assert len(asked) == 1


def test_a_folder_that_can_not_be_looked_at_is_told(settings: Any) -> None:
    settings.IMPORT_FOLDER = Path("/", "x" * 300)
    sign = signs._disk_of_uploads()
    assert (sign.value, sign.state) == ("not known", "unknown")
    assert "can't be looked at" in sign.todo


GOOD: dict[str, dict[str, float]] = {
    "postgresql": {
        **{"batches_undelivered": 0, "batches_undelivered_age_seconds": 0, "batches_failed": 0},
        **{"postgresql_connections": 5, "postgresql_connections_limit": 100},
    },
    "redis": {"events_queue_messages": 0},
    "rate_limit": {"workers_alive": 2, "beat_age_seconds": 1},
    "clickhouse": {"clickhouse_disk_free_bytes": 50e9, "clickhouse_disk_total_bytes": 100e9},
}


@pytest.mark.parametrize(
    ("store", "changed", "what", "value", "state"),
    [
        ("redis", {"events_queue_messages": 1}, "Waiting for a worker", "1 message", "good"),
        (
            *("redis", {"events_queue_messages": 5, "events_queue_age_seconds": 61}),
            *("Waiting for a worker", "5 messages, the oldest for 1 min", "warn"),
        ),
        (
            *("redis", {"events_queue_messages": 5, "events_queue_age_seconds": 1801}),
            *("Waiting for a worker", "5 messages, the oldest for 30 min", "bad"),
        ),
        (
            *("postgresql", {"batches_undelivered": 1, "batches_undelivered_age_seconds": 60}),
            *("Waiting for ClickHouse", "1 batch, the oldest for 1 min", "good"),
        ),
        (
            *("postgresql", {"batches_undelivered": 3, "batches_undelivered_age_seconds": 3600}),
            *("Waiting for ClickHouse", "3 batches, the oldest for 1 h", "bad"),
        ),
        ("postgresql", {"batches_failed": 2}, "Set aside", "2 batches", "warn"),
        (
            *("postgresql", {"postgresql_connections": 86}),
            *("Connections to PostgreSQL", "86 of 100", "warn"),
        ),
        ("rate_limit", {"workers_alive": 0}, "Workers", "none alive", "bad"),
        (
            *("rate_limit", {"beat_age_seconds": 301}),
            *("Beat, which starts periodic tasks", "silent for 5 min", "warn"),
        ),
        (
            *("clickhouse", {"clickhouse_disk_free_bytes": 14e9}),
            *("Disk of ClickHouse", "14 % free (14 GB)", "warn"),
        ),
        (
            *("clickhouse", {"clickhouse_disk_free_bytes": 4e9}),
            *("Disk of ClickHouse", "4 % free (4 GB)", "bad"),
        ),
        (
            *("redis", {"redis_memory_bytes": 81, "redis_memory_limit_bytes": 100}),
            *("Memory of the queue", "81 % used", "bad"),
        ),
    ],
)
def test_a_number_is_good_up_to_the_bounds_of_the_alerts(
    store: str, changed: dict[str, float], what: str, value: str, state: str
) -> None:
    values = {**GOOD, store: {**GOOD[store], **changed}}
    found = {it.what: it for group in signs.groups_of(values) for it in group.signs}
    sign = found.pop(what)
    assert (sign.value, sign.state) == (value, state)
    assert bool(sign.todo) == bool(sign.alert) == (state != "good")
    rest = [it for it in found.values() if it.what != "Disk of uploads"]
    assert {it.state for it in rest} == {"good"}


def test_what_a_store_that_is_down_would_say_is_not_known() -> None:
    for store in GOOD:
        found = [it for group in signs.groups_of({**GOOD, store: None}) for it in group.signs]
        assert [it.state for it in found].count("bad") == 1
        assert "unknown" in {it.state for it in found}


def test_beat_that_was_never_seen_is_told() -> None:
    values: signs.Values = {**GOOD, "rate_limit": {"workers_alive": 1}}
    found = {it.what: it for group in signs.groups_of(values) for it in group.signs}
    assert found["Beat, which starts periodic tasks"].value == "never seen"
