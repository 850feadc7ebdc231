"""`/health` says that the process answers, `/ready` whether each store does."""

from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connection
from django.http import JsonResponse
from django_redis import get_redis_connection
from drf_spectacular.utils import OpenApiResponse, extend_schema
from psycopg import Error as DriverError
from rest_framework.request import Request
from rest_framework.views import APIView

from analytics import clickhouse
from config import brokers
from config.api.openapi import TEXT, component, record
from config.building_blocks import silence
from events.monitoring import migrated

# As long as ClickHouse has for its ping.
_PATIENCE_SECONDS = 3
_Probe = Callable[[], object]
_HEALTH = record("Health", {"status": {"type": "string", "enum": ["ok"]}})
_READINESS = record(
    "Readiness",
    {
        "status": {"type": "string", "enum": ["ok", "unavailable"]},
        "stores": component(
            "StoreStates",
            {
                "type": "object",
                "description": "For each store `ok` or the kind of error.",
                "additionalProperties": TEXT,
            },
        ),
    },
)


class _OpenView(APIView):
    """Anybody may ask. No key is read: that needs PostgreSQL."""

    authentication_classes = []
    permission_classes = []


class HealthView(_OpenView):
    @extend_schema(
        operation_id="health",
        summary="Check that the process answers",
        tags=["service"],
        responses={200: OpenApiResponse(_HEALTH, description="The process answers.")},
    )
    def get(self, request: Request) -> JsonResponse:
        return JsonResponse({"status": "ok"})


class ReadyView(_OpenView):
    @extend_schema(
        operation_id="ready",
        summary="Check that each store answers",
        tags=["service"],
        responses={
            200: OpenApiResponse(_READINESS, description="All stores answer."),
            503: OpenApiResponse(_READINESS, description="`stores` names a store that fails."),
        },
    )
    def get(self, request: Request) -> JsonResponse:
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
    """Raises an error within seconds also if PostgreSQL hangs: whoever asks does not wait long."""
    with silence.limited(_PATIENCE_SECONDS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        migrated.require()


def _rate_limit() -> None:
    get_redis_connection("rate_limit").ping()


_PROBES: dict[str, _Probe] = {
    "rate_limit": _rate_limit,
    "clickhouse": clickhouse.ping,
}
