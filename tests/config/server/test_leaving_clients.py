"""Clients that leave before their answer: what they asked for ends with them."""

import socket
import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from analytics import clickhouse
from projects.models import DEFAULT
from tests import web_server
from tests.config.server.asking import counted
from tests.waiting import wait_until
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")
REPORT = "/stats/top-events?from=2026-01-01&to=2026-01-02"
ENDLESS = """CREATE VIEW slow.daily_events AS
SELECT toDate('2026-01-01') AS day, 't' AS event_type, number AS events"""


@pytest.fixture(scope="module")
def web(
    django_db_setup: None, clickhouse_schema: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """On a ClickHouse database where the report of event types does not end."""
    clickhouse.command_server("CREATE DATABASE slow")
    clickhouse.command(
        # It sleeps in each block, so that it takes no time of anybody else.
        f"{ENDLESS} FROM numbers({10**13}) WHERE sleep(0.1) = 1",
        project=DEFAULT,
    )
    url, metrics = settings.CLICKHOUSE_URL.rpartition("/")[0], tmp_path_factory.mktemp("metrics")
    with web_server.running(CLICKHOUSE_URL=f"{url}/slow", METRICS_FOLDER=str(metrics)) as running:
        yield running
    clickhouse.command_server("DROP DATABASE slow")


def running_reports() -> int:
    sql = "SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE '%top_events%'"
    [[count]] = clickhouse.query(sql, project=DEFAULT)
    return int(count)


def ask(web: Web) -> socket.socket:
    client = web.connect()
    client.sendall(f"GET {REPORT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def test_a_report_ends_when_its_client_leaves_and_goes_on_while_one_waits(web: Web) -> None:
    left = counted(web, "499")
    staying, leaving = ask(web), ask(web)
    wait_until(lambda: running_reports() == 2, seconds=10)
    leaving.close()
    wait_until(lambda: running_reports() == 1, seconds=5)
    time.sleep(1)
    assert running_reports() == 1
    staying.close()
    wait_until(lambda: running_reports() == 0, seconds=5)
    # No fault of the service's, nor of ClickHouse's.
    wait_until(lambda: counted(web, "499") == left + 2, seconds=5)
    assert counted(web, "503") == 0


def test_forty_clients_that_leave_at_once_leave_nothing_behind(web: Web) -> None:
    """More than ClickHouse computes at a time: the others' queries have yet to begin."""
    left = counted(web, "499")
    clients = [ask(web) for _ in range(40)]
    time.sleep(2)
    for client in clients:
        client.close()
    # Their time limit is 30 seconds.
    wait_until(lambda: counted(web, "499") == left + 40, seconds=28)
    assert counted(web, "503") == 0
