"""The whole service on RabbitMQ, which is killed under load, as are those who hold its messages."""

import signal
import time
from pathlib import Path

import pytest

from tests.faults import audit, suite
from tests.faults.clients import Clients
from tests.faults.service import Service, running
from tests.scaling import rabbit
from tests.waiting import wait_until

pytestmark = [pytest.mark.production, pytest.mark.slow, rabbit.needs_rabbitmq]
SETTLE_SECONDS = 2.0


def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path: Path) -> None:
    with (
        rabbit.prepared(tmp_path / "rabbitmq") as broker,
        running(tmp_path / "service", {"CELERY_BROKER_URL": lambda _: broker.program()}) as service,
    ):
        clients = Clients(service.port, service.places, seed=7)
        clients.start()
        try:
            _kill_one_after_another(service)
        finally:
            clients.stop()
        wait_until(
            lambda: broker.held() + audit.waiting(service.variables) == 0,
            seconds=suite.DRAIN_SECONDS,
            every=0.2,
            what="for an empty queue and outbox",
        )
        found = suite.count(service)
    assert found.clean, found
    assert service.places.promised > 1000
    assert set(clients.statuses) <= suite.HARMLESS


def _kill_one_after_another(service: Service) -> None:
    time.sleep(SETTLE_SECONDS)
    for name, number in (
        ("worker", signal.SIGKILL),
        ("rabbitmq", signal.SIGKILL),
        ("web", signal.SIGKILL),
        ("rabbitmq", signal.SIGTERM),
    ):
        service.kill(name, number)
        time.sleep(SETTLE_SECONDS)
        service.restart(name)
        service.kill_child("worker")
    time.sleep(SETTLE_SECONDS)
