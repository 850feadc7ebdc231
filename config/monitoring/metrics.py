"""The metrics, by the names that Prometheus sees. All processes count in shared files.

settings.METRICS_FOLDER holds the files (prometheus_client's multiprocess mode). Without it a
process counts only for itself.
"""

import hmac
import struct
import time
from ipaddress import ip_address

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

EVENTS_RECEIVED = Counter("events_received_total", "Events received, valid or not.", ["source"])
EVENTS_REJECTED = Counter(
    "events_rejected_total", "Events refused because they are not valid.", ["source"]
)
EVENTS_STORED = Counter(
    "events_stored_total", "Events stored in PostgreSQL, without duplicates.", ["source"]
)
EVENTS_DUPLICATE = Counter(
    "events_duplicate_total", "Events whose id was already in PostgreSQL.", ["source"]
)
# Only through projects.counts, which bounds the number of projects.
PROJECT_EVENTS = Counter(
    "project_events_total",
    "Events of a project: received, rejected, stored, duplicate.",
    ["project", "outcome"],
)
EVENTS_DELIVERED = Counter("events_delivered_total", "Events that ClickHouse has confirmed.")
EVENTS_FAILED = Counter(
    "events_failed_total", "Events set aside because a store refused them.", ["stage"]
)
EVENTS_DROPPED = Counter(
    "events_dropped_total", "Events that came to the store after their project was deleted."
)
EVENTS_PROCESSING_SECONDS = Histogram(
    "events_processing_seconds", "Time of a batch in one stage.", ["stage"], buckets=_FAST
)
API_REQUEST_SECONDS = Histogram(
    "api_request_duration_seconds",
    "Time of a request.",
    ["method", "route", "status"],
    buckets=_FAST,
)
RATE_LIMIT_HITS = Counter(
    "rate_limit_hits_total", "Requests refused because of a rate limit.", ["limit"]
)
CLICKHOUSE_QUERY_SECONDS = Histogram(
    "clickhouse_query_seconds", "Time of a query to ClickHouse.", ["report"], buckets=_FAST
)

# A series that first appears with its first event has no rate at that moment: nobody would see the
# very first failure. So all series exist from the start.
for _source in ("http", "import"):
    EVENTS_RECEIVED.labels(_source)
    EVENTS_REJECTED.labels(_source)
for _source in ("queue", "request", "import"):
    EVENTS_STORED.labels(_source)
    EVENTS_DUPLICATE.labels(_source)
for _stage in ("store", "deliver"):
    EVENTS_FAILED.labels(_stage)
for _limit in ("address", "key", "project", "quota", "login"):
    RATE_LIMIT_HITS.labels(_limit)


def exposition(*state: Collector) -> bytes:
    """All counts, and what `state` reads from the stores now, in Prometheus' format."""
    registry = REGISTRY
    if settings.METRICS_FOLDER:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    parts = [_text(registry)]
    for collector in state:
        now = CollectorRegistry()
        now.register(collector)
        parts.append(generate_latest(now))
    return b"".join(parts)


def _text(registry: CollectorRegistry) -> bytes:
    try:
        return generate_latest(registry)
    except struct.error:
        # A process has just made a file and not yet given it its size.
        time.sleep(0.05)
        return generate_latest(registry)


def may_ask(*, authorization: str, address: str, host: str, forwarded: bool) -> bool:
    """Whether a request may read the metrics.

    If there is a token, the request must have it. If there is none, the request must come directly
    from this machine, and its host must be one of our names: a web page can give its own name the
    address of its visitor's machine.
    """
    if token := settings.METRICS_TOKEN:
        return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
    try:
        from_here = ip_address(address).is_loopback and not forwarded
    except ValueError:
        return False
    return from_here and validate_host(split_domain_port(host)[0], _names())


def _names() -> list[str]:
    return [*settings.ALLOWED_HOSTS, "localhost", "127.0.0.1", "[::1]"]
