"""`/metrics`: who may ask, what is counted, and what stands there while stores are down."""

import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from kombu import pools
from prometheus_client import REGISTRY

from config.monitoring import liveness
from events.ingest import property_schemas
from projects import keyring
from tests.events.monitoring.exposed import samples
from tests.importer.importing import import_events, rows_of, written
from tests.posting import post, post_some
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


def test_events_are_counted_from_the_door_to_clickhouse(client: Client) -> None:
    before = samples(client)
    good = event()
    bad = [event(user_id=""), event(user_id="")]
    assert post(client, [good, good, *bad], "?wait=true").status_code == 200
    deliver_all()
    after = samples(client)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('events_received_total{source="http"}') == 4
    assert grown('events_rejected_total{source="http"}') == 2
    assert grown('events_stored_total{source="request"}') == 1
    assert grown('events_duplicate_total{source="request"}') == 1
    assert grown("events_delivered_total") == 1
    for stage in ("store", "deliver"):
        assert grown(f'events_processing_seconds_count{{stage="{stage}"}}') == 1
        assert 0 < grown(f'events_processing_seconds_sum{{stage="{stage}"}}') < 60
    assert grown('clickhouse_query_seconds_count{report="insert"}') == 1
    route = 'method="POST",route="events",status="200"'
    assert grown(f"api_request_duration_seconds_count{{{route}}}") == 1


def test_rows_of_a_file_are_counted_like_events(client: Client, tmp_path: Path) -> None:
    before = samples(client)
    rows = rows_of(3)
    import_events(written(tmp_path / "events.csv", [*rows, rows[0], ["bad"], ["bad"]]))
    after = samples(client)
    counted = {
        name: after[f'events_{name}_total{{source="import"}}']
        - before[f'events_{name}_total{{source="import"}}']
        for name in ("received", "rejected", "stored", "duplicate")
    }
    assert counted == {"received": 6, "rejected": 2, "stored": 3, "duplicate": 1}


@pytest.mark.usefixtures("no_delivery")  # a thread that delivers would make some meanwhile
def test_statements_to_postgresql_are_counted_and_an_accepted_event_makes_none(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def executed() -> float:
        # Read here and not from /metrics: a scrape makes statements of its own in other threads.
        labels = {"alias": "default", "vendor": "postgresql"}
        return REGISTRY.get_sample_value("django_db_execute_total", labels) or 0.0

    before = executed()
    assert post_some(client, query="?wait=true").status_code == 200
    # What was just read is good for the whole test, or a slow machine reads it again meanwhile.
    monkeypatch.setattr(keyring, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(property_schemas, "_KEPT_SECONDS", 3600.0)
    stored = executed()
    assert stored > before
    assert post_some(client).status_code == 202
    assert executed() == stored
    assert 'django_db_execute_total{alias="default",vendor="postgresql"}' in samples(client)


def test_the_state_of_the_stores_is_read_at_each_scrape(client: Client) -> None:
    assert post_some(client).status_code == 202
    liveness.note_worker("one")
    liveness.note_worker("two")
    liveness.note_beat()
    now = samples(client)
    assert now["events_queue_messages"] == 1
    assert 0 <= now["events_queue_age_seconds"] < 60
    assert now["workers_alive"] == 2
    assert 0 <= now["beat_age_seconds"] < 60
    assert now["batches_undelivered"] == now["batches_failed"] == 0
    assert 0 < now["postgresql_connections"] < now["postgresql_connections_limit"]
    assert 0 < now["clickhouse_disk_free_bytes"] <= now["clickhouse_disk_total_bytes"]
    assert now['redis_memory_bytes{store="redis"}'] > 0
    stores = ("postgresql", "redis", "rate_limit", "clickhouse")
    assert [now[f'store_up{{store="{store}"}}'] for store in stores] == [1, 1, 1, 1]


def _clickhouse_gone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"


def _rate_limit_gone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {**settings.CACHES["rate_limit"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "rate_limit": gone}


def _redis_gone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with current_app.connection_for_write("redis://127.0.0.1:1/0") as nowhere:
        monkeypatch.setattr(current_app.amqp, "_producer_pool", pools.producers[nowhere])


@pytest.mark.parametrize(
    ("store", "end", "gauge"),
    [
        ("clickhouse", _clickhouse_gone, "clickhouse_disk_free_bytes"),
        ("rate_limit", _rate_limit_gone, "workers_alive"),
        ("redis", _redis_gone, "events_queue_messages"),
    ],
)
def test_a_store_that_is_down_leaves_its_own_gauges_out_and_no_others(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, store: str, end: Any, gauge: str
) -> None:
    end(settings, monkeypatch)
    now = samples(client)
    up = {name: value for name, value in now.items() if name.startswith("store_up")}
    assert [name for name, value in up.items() if not value] == [f'store_up{{store="{store}"}}']
    assert len(up) == 4
    assert gauge not in now
    assert "batches_undelivered" in now


def test_a_table_that_is_locked_holds_no_scrape_up_and_no_connection(client: Client) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        now = samples(client)
        assert time.monotonic() - began < 8
        assert now['store_up{store="postgresql"}'] == 0
        assert now['store_up{store="redis"}'] == 1
        other.rollback()
    assert samples(client)['store_up{store="postgresql"}'] == 1


def test_refusals_are_counted_and_strange_methods_and_paths_make_no_new_series(
    client: Client, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    before = samples(client)
    for _ in range(3):
        client.get("/events?limit=x")
    for number in range(3):
        client.generic(f"ODD{number}", f"/nowhere/{number}")
    after = samples(client)
    name = 'rate_limit_hits_total{limit="address"}'
    assert after[name] - before.get(name, 0) == 2
    odd = {name for name in after if "nowhere" in name or "ODD" in name}
    assert odd == set()


def test_without_a_token_only_this_machine_is_answered(client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.1").status_code == 403
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    assert client.get("/metrics", headers=forwarded).status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1, 10.0.0.1").status_code == 403


def test_without_a_token_a_page_that_calls_this_machine_by_its_own_name_is_not_answered(
    client: Client,
) -> None:
    for name, status in {"evil.example:8000": 403, "": 403, "localhost:8000": 200}.items():
        assert client.get("/metrics", headers={"Host": name}).status_code == status


def test_a_client_that_has_the_token_is_answered(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "of-prometheus"
    for wrong in ("", "Bearer", "Bearer of-Prometheus", "of-prometheus", "Bearer é"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 403
    right = {"Authorization": "Bearer of-prometheus", "Host": "172.18.0.5:8000"}
    answer = client.get("/metrics", headers=right, REMOTE_ADDR="172.18.0.9")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
