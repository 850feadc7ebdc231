"""A real Prometheus on a loaded service: every panel has data, every alert has what it compares."""

import json
import shutil
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import urllib3
from django.db import connection

from tests.docker import monitoring, scraped
from tests.docker.monitoring import Panel, named_in
from tests.docker.scraped import Prometheus, Samples, Service
from tests.importer.receiving.uploading import csv_of
from tests.samples import event
from tests.waiting import wait_until

BINARY = shutil.which("prometheus")
pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(
        not BINARY, reason="Prometheus is not installed (apt-get install prometheus)"
    ),
    # So that there is a database, what is left in it goes, and whoever needs it clean has been.
    pytest.mark.django_db(transaction=True),
]
PANELS = list(monitoring.panels())
ALERTS = monitoring.alerts()
# The number is for whoever reads the names of the tests.
COUNTS = Counter(panel.dashboard for panel in PANELS)
ROUNDS = 8
NEW, AT_ONCE, IMPORTED = 20, 5, 50
# Each round and api: what is queued with a repeat and an invalid one, and what is stored at once.
SENT = ROUNDS * 2 * (NEW + 2 + AT_ONCE)


class Seen(NamedTuple):
    """What Prometheus answered at the end of the load."""

    panels: dict[str, dict[str, Samples]]
    alerts: dict[str, Samples]
    rules: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    counted: dict[str, float]
    refused: int
    """Requests that were answered with 429."""


@pytest.fixture(scope="module")
def seen(
    django_db_setup: None,
    django_db_blocker: Any,
    clickhouse_schema: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    assert BINARY
    folder = tmp_path_factory.mktemp("monitored")
    with scraped.service(folder) as service, scraped.prometheus(BINARY, folder, service) as it:
        wait_until(lambda: it.value("sum(up)") == 5)
        refused = load(service)
        wait_until(lambda: rest_is_done(it), seconds=60)
        answers = asked(it, refused)
    with django_db_blocker.unblock():
        # pytest-django's flush knows managed tables only.
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE hot_events")
        connection.close()
    return answers


def asked(prometheus: Prometheus, refused: int) -> Seen:
    ask = prometheus.samples
    return Seen(
        {
            str(panel): {
                legend: ask(monitoring.within(it)) for legend, it in panel.expressions.items()
            }
            for panel in PANELS
        },
        {name: ask(monitoring.operands(alert["expr"])) for name, alert in ALERTS.items()},
        prometheus.get("rules")["groups"][0]["rules"],
        prometheus.get("targets")["activeTargets"],
        {name: prometheus.value(f"sum({name})") or 0 for name in monitoring.COUNTERS},
        refused,
    )


def rest_is_done(prometheus: Prometheus) -> bool:
    """Everything that was sent has been taken off the queue, and is in ClickHouse."""
    handled = " + ".join(f"sum(events_{end}_total)" for end in ("stored", "duplicate", "rejected"))
    received = prometheus.value("sum(events_received_total)")
    delivered = prometheus.value("sum(events_delivered_total) == sum(events_stored_total)")
    return received == SENT + 2 * IMPORTED == prometheus.value(handled) and delivered is not None


def load(service: Service) -> int:
    """How many requests the rate limit refused."""
    refused = 0
    repeated, file = event(), csv_of(IMPORTED)
    for number in range(ROUNDS):
        for place, api in enumerate(service.apis):
            client = f"10.1.{number}.{place}"
            queued = [event() for _ in range(NEW)]
            assert post(api, client, [*queued, repeated, event(user_id="")]) == 202
            assert post(api, client, [event() for _ in range(AT_ONCE)], "?wait=true") == 200
            ask_for_everything(api, client)
            greedy = [request("GET", api, "/events?limit=1", "10.0.0.9") for _ in range(4)]
            refused += greedy.count(429)
        if number in (1, ROUNDS // 2):
            # The same rows again are duplicates.
            path = f"/imports?name={number}.csv"
            assert request("POST", service.apis[0], path, f"10.1.{number}.2", file) == 202
        time.sleep(1)
    return refused


def ask_for_everything(api: str, client: str) -> None:
    today = datetime.now(UTC).date()
    span = urlencode({"from": str(today - timedelta(days=30)), "to": str(today)})
    weeks = urlencode({"start_date": str(today - timedelta(weeks=3)), "windows": 2})
    paths = [f"/stats/dau?{span}", f"/stats/top-events?{span}", f"/stats/retention?{weeks}"]
    for path in [*paths, "/events?user_id=u1", "/nowhere", "/health"]:
        request("GET", api, path, client)


def post(api: str, client: str, events: list[dict[str, Any]], query: str = "") -> int:
    return request("POST", api, f"/events{query}", client, json.dumps(events).encode())


def request(method: str, api: str, path: str, client: str, body: bytes | None = None) -> int:
    """Through nginx, as it were, which says who the client is."""
    headers = {"Host": "localhost", "X-Forwarded-For": client, "Content-Type": "application/json"}
    url = f"http://{api}{path}"
    answer = urllib3.request(method, url, body=body, headers=headers, timeout=30, retries=False)
    return answer.status


@pytest.mark.parametrize(("dashboard", "count"), COUNTS.items())
def test_every_panel_has_data(seen: Seen, dashboard: str, count: int) -> None:
    panels = [panel for panel in PANELS if panel.dashboard == dashboard]
    assert [str(panel) for panel in panels if not has_data(seen, panel)] == []
    assert len(panels) == count


def has_data(seen: Seen, panel: Panel) -> bool:
    """For each of its expressions, and with every label that its legend shows."""
    return all(
        samples and all(labels.get(name) for labels, _ in samples for name in named_in(legend))
        for legend, samples in seen.panels[str(panel)].items()
    )


def test_what_would_say_nought_without_data_has_measured_something(seen: Seen) -> None:
    none_of = {"events-overview: Failed events", "events-overview: Alerts"}
    others = {str(it): it for it in PANELS if "vector(0)" in str(it.expressions)}
    assert none_of < set(others)
    for name in set(others) - none_of:
        assert all(samples[0][1] > 0 for samples in seen.panels[name].values()), name


def test_every_alert_has_what_it_compares(seen: Seen) -> None:
    assert [name for name in ALERTS if not seen.alerts[name]] == []


def test_prometheus_reaches_every_target_and_evaluates_every_rule(seen: Seen) -> None:
    assert [target["health"] for target in seen.targets] == ["up"] * 5
    assert {rule["name"]: rule["health"] for rule in seen.rules} == dict.fromkeys(ALERTS, "ok")


def test_a_service_that_is_well_fires_no_alert(seen: Seen) -> None:
    assert [rule["name"] for rule in seen.rules if rule["state"] == "firing"] == []


def test_what_many_processes_counted_adds_up_to_what_was_sent(seen: Seen) -> None:
    each = ROUNDS * 2
    stored = each * (NEW + AT_ONCE) + 1 + IMPORTED
    assert seen.counted == {
        "events_received_total": SENT + 2 * IMPORTED,
        "events_rejected_total": each,
        "events_stored_total": stored,
        "events_duplicate_total": each - 1 + IMPORTED,
        "events_delivered_total": stored,
        "events_failed_total": 0,
        "rate_limit_hits_total": seen.refused,
    }
