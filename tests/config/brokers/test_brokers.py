"""The broker is chosen by its address alone; one that would lose messages stops the service."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import broker_urls
from embedded.supervision.processes import PROJECT


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://localhost:6379/0", "redis"),
        ("rediss://:secret@cache.example.com:6380/0", "redis"),
        ("amqp://guest:guest@localhost//", "rabbitmq"),
        ("amqps://user:secret@mq.example.com/events", "rabbitmq"),
        ("amqp://one.example.com//;amqp://two.example.com//", "rabbitmq"),
    ],
)
def test_the_address_names_the_broker(url: str, name: str) -> None:
    assert name == broker_urls.name_of(url)


@pytest.mark.parametrize("url", ["memory://", "sqs://", "redis+cluster://localhost", "localhost"])
def test_an_unknown_broker_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL must start with"):
        broker_urls.name_of(url)


@pytest.mark.parametrize("url", ["kafka://localhost", "confluentkafka://localhost:9092"])
def test_kafka_stops_the_service_and_says_why(url: str) -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "CELERY_BROKER_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode != 0
    assert "Kafka is not supported" in answer.stderr
    assert "messages could be lost" in answer.stderr
    assert (PROJECT / "docs/adr/0003-brokers.md").exists()
