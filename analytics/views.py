"""The HTTP endpoints of the reports."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import openapi, reports
from analytics.clickhouse import ClickHouseUnavailable
from analytics.parameters import Asked, check_range, read_report, report_day
from config.api.problems import Problem
from config.api.query_parameters import whole_number
from config.memory import room
from config.server import disconnects
from projects import access

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 10
DEFAULT_WINDOWS = 3
# Memory for one day, event type or window: as rows from ClickHouse, as objects and as JSON.
_DAY_BYTES = 700
_EVENT_TYPE_BYTES = 2_500
_WINDOW_BYTES = 300

_LESS = "Ask for fewer days, leave out segments on properties, or increase {}."
# Advice for a report that is over a limit, by ClickHouse's number for the error.
_LIMITS = {
    158: "The report reads too many rows. " + _LESS.format("CLICKHOUSE_QUERY_ROWS"),
    159: "The report takes too long. " + _LESS.format("CLICKHOUSE_QUERY_TIMEOUT_SECONDS"),
    241: "The report takes too much memory. " + _LESS.format("CLICKHOUSE_QUERY_MEGABYTES"),
}


class ReportView(APIView):
    """A report answers 503 where ClickHouse can't: gone, overloaded, or over a limit."""

    scopes = {"GET": access.READ}

    def handle_exception(self, exc: Exception) -> Response:
        has_ended = isinstance(exc, disconnects.ClientLeft | ClickHouseUnavailable)
        if has_ended and disconnects.has_left():
            # nginx's own status: the service made no error, and nobody gets the answer.
            exc = Problem(499, "The client has left.", title="Client Closed Request")
        elif isinstance(exc, ClickHouseUnavailable):
            exc = Problem(503, _reason(exc), headers={"Retry-After": "5"})
        return super().handle_exception(exc)


def _reason(error: ClickHouseUnavailable) -> str:
    # "(total)" is the memory of the whole server. No setting of the service gives a report more.
    is_servers = "(total)" in str(error)
    code = None if is_servers else error.code
    return _LIMITS.get(code or 0, "ClickHouse can't answer now; try again.")


class DailyActiveUsersView(ReportView):
    @openapi.daily_active_users
    def get(self, request: Request) -> Response:
        values, asked = _read_range(request)
        room.need_for_answer(_DAY_BYTES * (values["to"] - values["from"]).days)
        rows = reports.daily_active_users(**asked, start=values["from"], end=values["to"])
        return Response([{"date": row.day, "unique_users": row.unique_users} for row in rows])


class TopEventsView(ReportView):
    @openapi.top_events
    def get(self, request: Request) -> Response:
        values, asked = _read_range(request, limit=whole_number(1, MAX_LIMIT))
        limit = values["limit"] or DEFAULT_LIMIT
        room.need_for_answer(_EVENT_TYPE_BYTES * limit)
        start, end = values["from"], values["to"]
        rows = reports.top_events(**asked, start=start, end=end, limit=limit)
        return Response([{"event_type": row.event_type, "count": row.events} for row in rows])


class RetentionView(ReportView):
    @openapi.retention
    def get(self, request: Request) -> Response:
        values, asked = read_report(
            request,
            {"start_date": report_day, "windows": whole_number(1, reports.MAX_WINDOWS)},
            required=["start_date"],
        )
        start, windows = values["start_date"], values["windows"] or DEFAULT_WINDOWS
        today = asked["zone"].today()
        weeks = max(0, (today - start).days // 7 + 1)
        room.need_for_answer(_WINDOW_BYTES * weeks * (windows + 1))
        rows = reports.retention(**asked, start=start, windows=windows, today=today)
        return Response([_shown(cohort) for cohort in rows])


def _shown(cohort: reports.Cohort) -> dict[str, Any]:
    weeks = {f"week_{k}": share for k, share in enumerate(cohort.returned, start=1)}
    return {"cohort_week": cohort.monday, "week_0": cohort.size, **weeks}


def _read_range(request: Request, **parsers: Any) -> tuple[dict[str, Any], Asked]:
    parsers = {"from": report_day, "to": report_day, **parsers}
    values, asked = read_report(request, parsers, required=["from", "to"])
    check_range(values["from"], values["to"])
    return values, asked
