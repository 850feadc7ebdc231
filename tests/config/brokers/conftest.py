"""Fixtures of the broker."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from django_redis import get_redis_connection
from kombu.connection import Connection


@pytest.fixture
def redis() -> Any:
    return get_redis_connection("default")


@pytest.fixture
def consumer() -> Iterator[Connection]:
    with current_app.connection_for_read() as connection:
        yield connection
