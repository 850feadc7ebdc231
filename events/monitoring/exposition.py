"""`/metrics`, for Prometheus, from web processes and from workers."""

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.api import problems
from config.monitoring import metrics
from events.monitoring.state import State

_REFUSAL = b"You may not read the metrics: see METRICS_TOKEN.\n"
# Headers that proxies add.
_SPEAKS_FOR_ANOTHER = {
    f"HTTP_{name}" for name in ("X_FORWARDED_FOR", "X_REAL_IP", "FORWARDED", "VIA")
}
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    """Comes before all other middleware, which would check the request's host.

    Prometheus uses the addresses of containers as hosts, and ALLOWED_HOSTS can't list these.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _metrics(request) if request.path == "/metrics" else get_response(request)

    return answer


def _metrics(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return problems.wrong_method(request, "GET, HEAD")
    if not may_ask(request.META):
        return HttpResponse(_REFUSAL, status=403)
    return HttpResponse(metrics.exposition(State()), content_type=metrics.CONTENT_TYPE)


def may_ask(environ: Mapping[str, Any]) -> bool:
    return metrics.may_ask(
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        address=environ.get("REMOTE_ADDR", ""),
        host=environ.get("HTTP_HOST", environ.get("SERVER_NAME", "")),
        forwarded=not _SPEAKS_FOR_ANOTHER.isdisjoint(environ),
    )


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 5

    def log_message(self, *_: object) -> None:
        """Logs nothing, because Prometheus sends a request every few seconds."""


def serve(port: int) -> None:
    """Serve what this process and its children have counted, on `port`, until the process ends."""
    server = make_server("", port, _counted, _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _counted(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    allowed = may_ask(environ)
    start_response(
        "200 OK" if allowed else "403 Forbidden", [("Content-Type", metrics.CONTENT_TYPE)]
    )
    return [metrics.exposition() if allowed else _REFUSAL]
