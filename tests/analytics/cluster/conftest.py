"""One engine that stands for a cluster, for all tests of this package.

A conftest may be loaded before Django is set up, so the fixtures import what needs it.
"""

from collections.abc import Iterator

import pytest

from tests.embedded.gateway import Gateway


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    from tests.analytics import clustered  # noqa: PLC0415

    running = clustered.start(tmp_path_factory.mktemp("cluster"))
    with clustered.schema(running):
        yield running
    running.stop()


@pytest.fixture
def stored(gateway: Gateway) -> Iterator[None]:
    """The service on the cluster, its tables empty."""
    from tests.analytics import clustered  # noqa: PLC0415
    from tests.fixtures import empty_clickhouse  # noqa: PLC0415

    with clustered.at(gateway, clustered.STORED, "one"):
        empty_clickhouse()
        yield
