"""The view of a report: reads its parameters, answers in JSON or CSV, and tells of limits."""

from typing import Any

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.api import openapi
from analytics.api.report import Report
from analytics.api.table import parse_format, table
from analytics.clickhouse import ClickHouseUnavailable
from analytics.parameters import read_report
from config.api.problems import Problem
from config.server import disconnects
from projects import access

_LESS = "Ask for fewer days, leave out segments on properties, or increase {}."
# Advice for a report that is over a limit, by ClickHouse's number for the error.
_LIMITS = {
    158: "The report reads too many rows. " + _LESS.format("CLICKHOUSE_QUERY_ROWS"),
    159: "The report takes too long. " + _LESS.format("CLICKHOUSE_QUERY_TIMEOUT_SECONDS"),
    396: "The answer is too large. Ask for fewer values or buckets.",
    241: "The report takes too much memory. " + _LESS.format("CLICKHOUSE_QUERY_MEGABYTES"),
}
# Sums have more digits than a double.
_encode = msgspec.json.Encoder(decimal_format="number").encode


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


def view_of(report: Report) -> Any:
    """The view of a report."""

    class View(ReportView):
        @openapi.documented(report)
        def get(self, request: Request) -> HttpResponse:
            return _answered(report, request)

    View.__name__ = f"{report.operation}_view"
    return View.as_view()


def _answered(report: Report, request: Request) -> HttpResponse:
    parsers = {one.name: one.parse for one in report.parameters}
    values, asked = read_report(
        request,
        {**parsers, "format": parse_format},
        required=[one.name for one in report.parameters if one.is_required],
        lists=[one.name for one in report.parameters if one.is_list],
    )
    for one in report.parameters:
        if values[one.name] is None and one.default is not None:
            values[one.name] = one.parse(str(one.default))
    report.check(values)
    answer = report.answer(values, asked)
    if values["format"] == "csv":
        return table(report.path, report.rows(answer))
    return HttpResponse(_encode(answer), content_type="application/json")
