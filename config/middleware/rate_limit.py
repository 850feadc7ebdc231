"""The rate limit: a token bucket in Redis per client address, or per API key with its own limit.

A project may have a limit as well, for all of its requests together.

Headers follow draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` names the quota and its
window in seconds, `RateLimit` what is left and when the bucket is full again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string
from django_redis import get_redis_connection
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from config.api import problems
from config.building_blocks.together import Together
from config.middleware.limits import Limit
from config.monitoring import metrics
from config.redis.scripts import run, run_each, script

WINDOW_SECONDS = 60
API_PATHS = (
    *("/events", "/stats", "/segments", "/event-types", "/properties", "/users"),
    *("/imports", "/projects"),
)
# A test holds that every address of the API is here. A panel of a page costs what its report costs.
LIMITED_PATHS = (*API_PATHS, "/openapi.json", "/docs", "/dashboard/", "/shared/")
_SCRIPT = script(Path(__file__).with_suffix(".lua"))
# The page for operators says that Redis is down, and must not wait for it before.
_UNLIMITED = ("/dashboard/health", "/dashboard/health/panels/health")
_DOWN = "Redis can't be reached; nothing was accepted. Try again later."
_RETRY_SECONDS = 5
_Answer = Callable[[HttpRequest], HttpResponseBase]
# Of a request, a status, a reason and the seconds to wait: None if people don't read the answer.
_Page = Callable[[HttpRequest, int, str, int], HttpResponse | None]


class Allowance(NamedTuple):
    """The state of a bucket: `reset` is the seconds to wait if refused, else until it is full."""

    allowed: bool
    remaining: int
    reset: int


def middleware(get_response: _Answer) -> _Answer:
    """Answers 429 to requests over the limit, and 503 to all of them while Redis is down."""
    page: _Page = import_string(settings.RATE_LIMIT_PAGE)

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(LIMITED_PATHS) or request.path in _UNLIMITED:
            return get_response(request)
        try:
            limit, allowance = _tightest(limits_of(request))
        except RedisError:
            return _refused(request, page, 503, _DOWN, _RETRY_SECONDS)
        if allowance is None:
            return get_response(request)
        response = (
            get_response(request)
            if allowance.allowed
            else _refused(request, page, 429, _too_many(limit), max(1, allowance.reset))
        )
        for name, value in headers(limit, allowance):
            response[name] = value
        return response

    return answer


@cache
def _own_limits() -> Callable[[HttpRequest], list[Limit]]:
    found: Callable[[HttpRequest], list[Limit]] = import_string(settings.RATE_LIMITS_OF_KEY)
    return found


def limits_of(request: HttpRequest) -> list[Limit]:
    """The limits for which a request counts: those of its key and project, or of its address."""
    limits = _own_limits()(request)
    if not limits or limits[0].whose == "project":
        return [_of_address(request), *limits]
    return limits


def _of_address(request: HttpRequest) -> Limit:
    return Limit(network(client_address(request)), settings.RATE_LIMIT_PER_MINUTE, "address")


def _tightest(limits: list[Limit]) -> tuple[Limit, Allowance | None]:
    """Take a token of each bucket, up to the first that has none. Raises redis' RedisError.

    Returns the limit that refuses, or the one with the fewest tokens left. The allowance is None
    if there is no limit at all.
    """
    found: tuple[Limit, Allowance | None] = limits[0], None
    for limit in limits:
        if not limit.per_minute:
            continue
        allowance = take(limit.bucket, limit=limit.per_minute)
        if found[1] is None or not allowance.allowed or allowance.remaining < found[1].remaining:
            found = limit, allowance
        if not allowance.allowed:
            break
    return found


def take(bucket: str, *, limit: int) -> Allowance:
    """Take one token from a bucket of `limit` tokens a minute. Raises redis' RedisError."""
    if not is_shared():
        connection = get_redis_connection("rate_limit")
        return _allowances(run(connection, _SCRIPT, *_call(bucket, limit, 1)))[0]
    found = _take_together((bucket, limit))
    if isinstance(found, Exception):
        raise RedisError(str(found)) from found
    return found


def is_shared() -> bool:
    """Whether requests may share a call. Not on a cluster, where each bucket has its node: if one
    node is slow, only requests to that node may wait.
    """
    return not isinstance(get_redis_connection("rate_limit"), RedisCluster)


def take_all(wanted: Sequence[tuple[str, int]]) -> list[Allowance | Exception]:
    """Take a token for each bucket and limit, of one bucket in order. Raises redis' RedisError."""
    counts = Counter(wanted)
    calls = [_call(bucket, limit, count) for (bucket, limit), count in counts.items()]
    results = run_each(get_redis_connection("rate_limit"), _SCRIPT, calls)
    found: dict[tuple[str, int], Iterator[Allowance | Exception]] = {
        taken: repeat(result) if isinstance(result, Exception) else iter(_allowances(result))
        for taken, result in zip(counts, results, strict=True)
    }
    return [next(found[one]) for one in wanted]


_take_together = Together(take_all)


def _call(bucket: str, limit: int, requests: int) -> tuple[str, int, int, int]:
    return f"rate_limit:{bucket}", limit, WINDOW_SECONDS, requests


def _allowances(said: Sequence[int]) -> list[Allowance]:
    """What the script said of requests, three numbers each."""
    return [Allowance(bool(said[at]), *said[at + 1 : at + 3]) for at in range(0, len(said), 3)]


def client_address(request: HttpRequest) -> str:
    """The address of the client, as far as it can be trusted.

    Each of our TRUSTED_PROXIES proxies appends the address it saw to X-Forwarded-For. So the
    client's address is that many places from the end. The client itself wrote what comes before.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    trusted = settings.TRUSTED_PROXIES
    if not trusted or not forwarded:
        return direct
    hops = [hop.strip() for hop in forwarded.split(",")]
    said = _without_port(hops[-trusted] if trusted <= len(hops) else hops[0])
    return said if _network(said) else direct


def _without_port(hop: str) -> str:
    """Some proxies append the port: 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of IPv6 that a subscriber has."""
    return _network(address) or address


@lru_cache(maxsize=10_000)
def _network(address: str) -> str | None:
    """The network of an address; None if the text is not an address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), 64), strict=False).network_address) + "/64"


def headers(limit: Limit, allowance: Allowance) -> list[tuple[str, str]]:
    """What an answer says of the limit that is nearest."""
    return [
        ("RateLimit-Policy", f'"default";q={limit.per_minute};w={WINDOW_SECONDS}'),
        ("RateLimit", f'"default";r={allowance.remaining};t={allowance.reset}'),
    ]


def _too_many(limit: Limit) -> str:
    metrics.RATE_LIMIT_HITS.labels(limit.whose).inc()
    sender = "to one project" if limit.whose == "project" else f"from one {limit.whose}"
    return f"More than {limit.per_minute} requests a minute {sender}."


def unreachable() -> HttpResponse:
    """The answer to a request of the API while Redis is down."""
    return _with_retry(problems.answer(503, _DOWN), _RETRY_SECONDS)


def _refused(
    request: HttpRequest, page: _Page, status: int, detail: str, seconds: int
) -> HttpResponse:
    response = page(request, status, detail, seconds) or problems.answer(status, detail)
    return _with_retry(response, seconds)


def _with_retry(response: HttpResponse, seconds: int) -> HttpResponse:
    response["Retry-After"] = str(seconds)
    return response
