"""The gateway the tests of a module share."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from tests.embedded.gateway import Gateway, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    connected = gateway.client()
    yield connected
    connected.close()
