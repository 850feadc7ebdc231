"""This process on a RabbitMQ instead of Redis, as CELERY_BROKER_URL alone would have it."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from kombu import pools

from config.brokers import rabbitmq
from config.environment import broker_urls
from events.queueing import backpressure
from tests.scaling import rabbit


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.RabbitMQ]:
    folder = tmp_path_factory.mktemp("rabbitmq") / "node"
    with rabbit.prepared(folder) as broker:
        yield broker


@pytest.fixture
def on_rabbitmq(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Called with an address, has this process and its children use that broker."""
    for name in ("_LOOK_SECONDS", "_next_look"):
        monkeypatch.setattr(backpressure, name, 0.0)
    monkeypatch.setattr(backpressure, "_reason", "")
    monkeypatch.setattr(rabbitmq, "_mean_weight", 1.0)

    def use(url: str) -> None:
        monkeypatch.setenv("CELERY_BROKER_URL", url)
        settings.CELERY_BROKER_URL = url
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = broker_urls.options(url, visibility_timeout=5)
        _forget_connections()

    yield use
    _forget_connections()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less of what a test of a broker without an answer waits for; to be asked for first."""
    monkeypatch.setattr(broker_urls, "PATIENCE_SECONDS", 2)


def _forget_connections() -> None:
    pools.reset()
    current_app._pool = current_app.amqp._producer_pool = None


@pytest.fixture
def broker(node: rabbit.RabbitMQ, on_rabbitmq: Any) -> rabbit.RabbitMQ:
    """The node, on which nothing waits."""
    node.start()
    on_rabbitmq(node.url)
    with current_app.connection_for_write() as connection:
        connection.default_channel.queue_delete("celery")
    return node
