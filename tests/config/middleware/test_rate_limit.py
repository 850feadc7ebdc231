"""The rate limit: a bucket an address, told in headers, and whom it takes for the client."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from config.middleware import rate_limit
from config.middleware.rate_limit import (
    LIMITED_PATHS,
    WINDOW_SECONDS,
    Allowance,
    client_address,
    network,
    take,
)
from tests.waiting import wait_until

BOTH_WAYS = True


def test_every_address_of_the_api_has_a_limit(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path for path in paths if not path.startswith(LIMITED_PATHS)} == {
        *("/health", "/ready", "/metrics")
    }


def test_a_bucket_is_emptied_by_requests_and_refused_then() -> None:
    taken = [take("10.0.0.1", limit=3) for _ in range(4)]
    assert [allowance.allowed for allowance in taken] == [True, True, True, False]
    assert [allowance.remaining for allowance in taken] == [2, 1, 0, 0]
    assert taken[-1].reset == 20


def test_every_address_has_a_bucket_of_its_own() -> None:
    assert not [take("10.0.0.1", limit=1) for _ in range(2)][-1].allowed
    assert take("10.0.0.2", limit=1) == Allowance(allowed=True, remaining=0, reset=60)


def taken_together(buckets: list[str], *, limit: int) -> list[tuple[bool, int] | None]:
    """Whether requests that come while one is asked about are allowed, and what is left; or None.

    In their order. A token takes 20 seconds or more to come back.
    """
    together = rate_limit._take_together
    with ThreadPoolExecutor(len(buckets)) as threads:
        with together._working:
            asked = []
            for bucket in buckets:
                asked.append(threads.submit(take, bucket, limit=limit))
                wait_until(lambda: len(together._parts) == len(asked))
        errors = [one.exception() for one in asked]
    assert all(error is None or isinstance(error, RedisError) for error in errors)
    return [None if one.exception() else one.result()[:2] for one in asked]


def test_requests_that_come_together_take_tokens_in_order_and_one_call_of_redis_a_bucket() -> None:
    redis = get_redis_connection("rate_limit")
    take("10.0.0.1", limit=3)
    redis.config_resetstat()
    one, two = "10.0.0.1", "10.0.0.2"
    said = taken_together([one, two, one, one, two], limit=3)
    assert said == [(True, 1), (True, 2), (True, 0), (False, 0), (True, 1)]
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 2


def test_requests_that_come_together_are_counted_by_a_redis_that_has_forgotten_the_script() -> None:
    get_redis_connection("rate_limit").script_flush()
    said = taken_together(["10.0.0.1", "10.0.0.2", "10.0.0.1"], limit=2)
    assert said == [(True, 1), (True, 1), (True, 0)]
    assert not take("10.0.0.1", limit=2).allowed


def test_a_bucket_that_redis_cannot_read_refuses_nobody_elses_request() -> None:
    get_redis_connection("rate_limit").set("rate_limit:10.0.0.1", "no bucket")
    said = taken_together(["10.0.0.1", "10.0.0.2", "10.0.0.1"], limit=2)
    assert said == [None, (True, 1), None]


def test_a_bucket_fills_again_with_time() -> None:
    limit = 60 * 50
    for _ in range(limit):
        last = take("10.0.0.3", limit=limit)
    assert last.reset <= 60
    # 50 tokens a second: the loop itself took long enough for some.
    assert take("10.0.0.3", limit=limit).allowed


def test_a_bucket_that_nobody_takes_from_is_forgotten_once_it_would_be_full() -> None:
    for _ in range(2):
        take("10.0.0.4", limit=3)
        left = get_redis_connection("rate_limit").ttl("rate_limit:10.0.0.4")
        assert WINDOW_SECONDS / 2 < left <= WINDOW_SECONDS


def test_a_clock_that_jumps_back_neither_fills_a_bucket_nor_keeps_it_empty() -> None:
    for _ in range(60):
        take("10.0.0.5", limit=60)
    redis, key = get_redis_connection("rate_limit"), "rate_limit:10.0.0.5"
    # As it is in Redis when the clock has jumped back by an hour since.
    redis.hset(key, mapping={"tokens": 0, "at": redis.time()[0] + 3600})
    assert take("10.0.0.5", limit=60) == Allowance(allowed=False, remaining=0, reset=1)
    wait_until(lambda: take("10.0.0.5", limit=60).allowed, seconds=20)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        # Some proxies append the port.
        (1, "6.6.6.6, 1.1.1.1:4711", "1.1.1.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
    ],
)
def test_forwarded_addresses_are_believed_as_far_as_proxies_are_ours(
    settings: Any, proxies: int, forwarded: str, found: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/events", headers=headers, REMOTE_ADDR="9.9.9.9")
    assert client_address(request) == found


@pytest.mark.django_db
def test_api_answers_tell_the_limit_and_others_do_not(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    answers = [client.get("/events?limit=x") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert answers[0]["RateLimit-Policy"] == '"default";q=2;w=60'
    assert answers[0]["RateLimit"].startswith('"default";r=1;t=')
    assert int(answers[2]["Retry-After"]) > 0
    assert "RateLimit" not in client.get("/health")


@pytest.mark.django_db
def test_who_is_refused_may_come_again_as_soon_as_there_is_a_token(
    client: Client, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 60
    redis = get_redis_connection("rate_limit")
    # Empty, and not filled again for a moment: as if the clock had jumped back since.
    redis.hset("rate_limit:127.0.0.1", mapping={"tokens": 0, "at": redis.time()[0] + 30})
    assert client.get("/events?limit=x")["Retry-After"] == "1"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/events", "/stats/dau", "/imports", "/openapi.json", "/docs"])
def test_every_part_of_the_api_is_limited(client: Client, settings: Any, path: str) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    assert [client.get(path).status_code == 429 for _ in range(2)] == [False, True]


@pytest.mark.django_db
def test_without_redis_nothing_is_accepted(client: Client, settings: Any) -> None:
    settings.CACHES = {
        alias: {**cache, "LOCATION": "redis://127.0.0.1:1/0"}
        for alias, cache in settings.CACHES.items()
    }
    answer = client.post("/events", b"[]", content_type="application/json")
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert "Retry-After" in answer
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["stores"]["rate_limit"] != "ok"
    assert ready.json()["stores"]["postgresql"] == "ok"
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_subscriber_is_one_client_however_many_addresses_it_has(
    address: str, bucket: str
) -> None:
    assert network(address) == bucket


@pytest.mark.parametrize("said", [", 203.0.113.9", "key:5", "[key]:5", "x" * 5000])
def test_what_is_no_address_is_not_believed(settings: Any, said: str) -> None:
    settings.TRUSTED_PROXIES = 1
    request = RequestFactory().get("/", headers={"X-Forwarded-For": said}, REMOTE_ADDR="10.0.0.2")
    assert client_address(request) == ("203.0.113.9" if said.startswith(",") else "10.0.0.2")
