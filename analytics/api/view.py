"""The view of a report: reads its parameters, answers in JSON or CSV, and tells of limits."""

from collections.abc import Sequence
from typing import Any

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.api import openapi
from analytics.api.report import ADVICE, Parameter, Report
from analytics.api.table import parse_format, table
from analytics.clickhouse import ClickHouseUnavailable
from analytics.parameters import Asked, read_report
from config.api.problems import Problem
from config.server import disconnects
from projects import access

# ClickHouse's number for a query that took too long.
TOO_LONG = 159
# What a report is told that is over a limit, by ClickHouse's number for the error.
_LIMITS = {
    158: "The report reads too many rows. {}, or increase CLICKHOUSE_QUERY_ROWS.",
    TOO_LONG: "The report takes too long. {}, or increase CLICKHOUSE_QUERY_TIMEOUT_SECONDS.",
    396: "The answer is too large. Ask for fewer values or buckets.",
    241: "The report takes too much memory. {}, or increase CLICKHOUSE_QUERY_MEGABYTES.",
}
# Sums have more digits than a double.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ReportView(APIView):
    """A report answers 503 where ClickHouse can't: gone, overloaded, or over a limit."""

    scopes = {"GET": access.READ}
    advice = ADVICE

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_problem(exc, self.advice))


def as_problem(error: Exception, advice: str = ADVICE) -> Exception:
    """The Problem that tells of a report that ClickHouse did not answer; any other error itself."""
    has_ended = isinstance(error, disconnects.ClientLeft | ClickHouseUnavailable)
    if has_ended and disconnects.has_left():
        # nginx's own status: the service made no error, and nobody gets the answer.
        return Problem(499, "The client has left.", title="Client Closed Request")
    if isinstance(error, ClickHouseUnavailable):
        return Problem(503, _reason(error, advice), headers={"Retry-After": "5"})
    return error


def is_over_limit(error: Exception) -> bool:
    """Whether a report asks for more than the settings allow."""
    # "(total)" is the memory of the whole server. No setting of the service gives a report more.
    if not isinstance(error, ClickHouseUnavailable) or "(total)" in str(error):
        return False
    return error.code in _LIMITS


def _reason(error: ClickHouseUnavailable, advice: str) -> str:
    if is_over_limit(error):
        return _LIMITS[error.code or 0].format(advice)
    return "ClickHouse can't answer now; try again."


def view_of(report: Report) -> Any:
    """The view of a report."""

    class View(ReportView):
        advice = report.advice

        @openapi.documented(report)
        def get(self, request: Request) -> HttpResponse:
            return _answered(report, request)

    View.__name__ = f"{report.operation}_view"
    return View.as_view()


def _answered(report: Report, request: Request) -> HttpResponse:
    values, asked = read_values(request, report.parameters)
    report.check(values)
    answer = report.answer(values, asked)
    if values["format"] == "csv":
        return table(report.path, report.rows(answer), report.columns(values))
    return HttpResponse(_encode(answer), content_type="application/json")


def read_values(request: Request, parameters: Sequence[Parameter]) -> tuple[dict[str, Any], Asked]:
    """The values of the parameters and the format, and what every report is asked.

    Raises what `read_report` raises.
    """
    values, asked = read_report(
        request,
        {**{one.name: one.parse for one in parameters}, "format": parse_format},
        required=[one.name for one in parameters if one.is_required],
        lists=[one.name for one in parameters if one.is_list],
    )
    for one in parameters:
        if values[one.name] is None and one.default is not None:
            values[one.name] = one.parse(str(one.default))
    return values, asked
