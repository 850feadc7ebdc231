"""The limits in a real Redis Cluster of three primaries: counted once, whichever node has a key."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.middleware.rate_limit import take
from config.monitoring import liveness
from config.redis import urls
from config.settings import _redis
from tests.docker.test_healthcheck import is_well
from tests.events.monitoring.exposed import samples
from tests.scaling import redis_nodes
from tests.scaling.redis_nodes import Cluster
from tests.waiting import wait_until

ADDRESSES = [f"203.0.113.{number}" for number in range(12)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_nodes.running(tmp_path_factory.mktemp("nodes"), replicas=0) as cluster:
        yield cluster


@pytest.fixture
def use(settings: Any) -> Any:
    def put(cluster: Cluster) -> None:
        short = _redis(cluster.url, connect=0.5, answer=0.5)
        settings.CACHES = {**settings.CACHES, "rate_limit": _redis(cluster.url), "liveness": short}

    return put


@pytest.fixture
def cluster(whole: Cluster, use: Any) -> Cluster:
    use(whole)
    for node in whole.primaries:
        node.client.flushall()
    return whole


def test_requests_that_come_together_are_counted_once_each_on_any_node(
    cluster: Cluster,
) -> None:
    asked = [address for address in ADDRESSES for _ in range(20)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda address: take(address, limit=10).allowed, asked))
    assert sum(taken) == 10 * len(ADDRESSES)
    assert all(node.client.dbsize() for node in cluster.primaries)


@pytest.mark.django_db
@pytest.mark.usefixtures("cluster")
def test_requests_and_logins_are_limited(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = settings.LOGIN_LIMIT_PER_MINUTE = 2
    assert [client.get("/events?limit=x").status_code for _ in range(3)] == [400, 400, 429]
    login = {"username": "somebody", "password": "wrong"}
    assert [client.post("/admin/login/", login).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.django_db(transaction=True)
def test_readiness_memory_and_signs_of_life_are_of_all_nodes(
    client: Client, cluster: Cluster
) -> None:
    liveness.note_worker("one")
    liveness.note_beat()
    assert client.get("/ready").json()["stores"]["rate_limit"] == "ok"
    now = samples(client)
    assert now["workers_alive"] == 1
    assert now["beat_age_seconds"] < 60
    assert now['store_up{store="rate_limit"}'] == 1
    assert is_well("beat", RATE_LIMIT_REDIS_URL=cluster.url)
    each = [node.client.info("memory")["used_memory"] for node in cluster.primaries]
    assert now['redis_memory_bytes{store="rate_limit"}'] > 2.5 * min(each)


def test_a_slot_that_moves_to_another_node_keeps_its_count(cluster: Cluster) -> None:
    address = ADDRESSES[0]
    key = f"rate_limit:{address}"
    other = next(node for node in cluster.primaries if node is not cluster.primary_of(key))
    assert take(address, limit=3).remaining == 2
    cluster.move_slot(key, other)
    assert other.client.exists(key)
    assert take(address, limit=3).remaining == 1


def test_without_its_node_a_client_is_refused_and_others_are_not(
    tmp_path: Path, client: Client, use: Any
) -> None:
    with redis_nodes.running(tmp_path, replicas=0) as cluster:
        use(cluster)
        for address in ADDRESSES:
            take(address, limit=10)
        killed = cluster.primaries[1]
        gone = {a for a in ADDRESSES if cluster.primary_of(f"rate_limit:{a}") is killed}
        killed.kill()
        assert {a for a in ADDRESSES if _is_refused(a)} == gone
        began = time.monotonic()
        statuses = {a: client.get("/events?limit=x", REMOTE_ADDR=a).status_code for a in gone}
        assert set(statuses.values()) == {503}
        assert time.monotonic() - began < 2 * len(gone)
        with pytest.raises(RedisError):
            get_redis_connection("rate_limit").ping()


def _is_refused(address: str) -> bool:
    try:
        take(address, limit=10)
    except RedisError:
        return True
    return False


def test_a_replica_takes_over_with_the_counts_it_has(tmp_path: Path, use: Any) -> None:
    with redis_nodes.running(tmp_path, replicas=1) as cluster:
        use(cluster)
        address = ADDRESSES[0]
        for _ in range(5):
            take(address, limit=10)
        primary = cluster.primary_of(f"rate_limit:{address}")
        primary.client.wait(1, 1000)
        primary.kill()
        wait_until(lambda: not _is_refused(address), seconds=30)
        assert take(address, limit=10).remaining < 5
        wait_until(_answers, seconds=10)


def _answers() -> bool:
    try:
        return bool(get_redis_connection("rate_limit").ping())
    except RedisError:
        return False


def test_a_cluster_that_is_nowhere_is_an_error_of_redis(settings: Any) -> None:
    nowhere = _redis("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    settings.CACHES = {**settings.CACHES, "rate_limit": nowhere}
    assert _is_refused(ADDRESSES[0])


@pytest.mark.parametrize("url", ["redis+cluster://", "redis+cluster://a,,b", "redis+cluster://a:x"])
def test_an_address_that_names_no_node_stops_the_service(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMIT_REDIS_URL"):
        urls.is_cluster(url)
