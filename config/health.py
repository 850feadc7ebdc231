"""`/health` says that the process answers, `/ready` whether each store does."""

from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django_redis import get_redis_connection
from psycopg import Error as DriverError

from analytics import clickhouse
from config import brokers, migrated

_Probe = Callable[[], object]


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Each store by name, `ok` or the reason; 503 if one is down."""
    broker = brokers.current()
    probes = {"postgresql": _postgresql, broker.NAME: broker.ping, **_PROBES}
    stores = {name: _state(probe) for name, probe in probes.items()}
    good = all(state == "ok" for state in stores.values())
    document = {"status": "ok" if good else "unavailable", "stores": stores}
    return JsonResponse(document, status=200 if good else 503)


def _state(probe: _Probe) -> str:
    try:
        probe()
    except (DatabaseError, DriverError, *brokers.ERRORS, clickhouse.ClickHouseError) as error:
        # The kind of error only: its text may hold an address or a user's name.
        return type(error).__name__
    return "ok"


def _postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    migrated.require()


def _rate_limit() -> None:
    get_redis_connection("rate_limit").ping()


_PROBES: dict[str, _Probe] = {
    "rate_limit": _rate_limit,
    "clickhouse": clickhouse.ping,
}
