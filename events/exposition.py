"""`/metrics`, for Prometheus, from web processes and from workers."""

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config import metrics
from events.state import State

_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    """Before all others: Prometheus asks containers by address, which ALLOWED_HOSTS can't know."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _metrics(request) if request.path == "/metrics" else get_response(request)

    return answer


def _metrics(request: HttpRequest) -> HttpResponse:
    allowed = metrics.may_ask(
        authorization=request.META.get("HTTP_AUTHORIZATION", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        forwarded=_is_forwarded(request.META),
    )
    if not allowed:
        return HttpResponse("Not for strangers: see METRICS_TOKEN.\n", status=403)
    return HttpResponse(metrics.exposition(State()), content_type=metrics.CONTENT_TYPE)


def _is_forwarded(head: Mapping[str, Any]) -> bool:
    """Whether a proxy says that it speaks for another."""
    return any(
        f"HTTP_{name}" in head for name in ("X_FORWARDED_FOR", "X_REAL_IP", "FORWARDED", "VIA")
    )


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 5

    def log_message(self, *_: object) -> None:
        """Prometheus asks every few seconds."""


def serve(port: int) -> None:
    """What this process and its children have counted, on a port of its own, until it ends."""
    server = make_server("", port, _counted, _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _counted(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    allowed = metrics.may_ask(
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        address=environ.get("REMOTE_ADDR", ""),
        forwarded=_is_forwarded(environ),
    )
    start_response(
        "200 OK" if allowed else "403 Forbidden", [("Content-Type", metrics.CONTENT_TYPE)]
    )
    return [metrics.exposition()] if allowed else [b"Not for strangers: see METRICS_TOKEN.\n"]
