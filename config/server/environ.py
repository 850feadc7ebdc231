"""RSGI's scope of a request as the environ of WSGI (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any
from wsgiref.util import FileWrapper

from granian.rsgi import Scope

_COMMON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
}
# Of these there can be no two that mean something, or HTTP has refused them.
_WITHOUT_PREFIX = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """All but `wsgi.input`."""
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        **_COMMON,
        "REQUEST_METHOD": scope.method,
        # WSGI's texts are bytes read as Latin-1.
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else "HTTP/1.1",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
    }
    given = scope.headers.items()
    for name, value in given:
        if variable := _variable(name):
            before = environ.get(variable)
            environ[variable] = value if before is None else _joined(variable, before, value)
    if len({name for name, _ in given}) < len(scope.headers.keys()):
        _add_unreadable(environ, scope)
    # Without it Django would take the name of the address; HTTP/1.1 demands one (RFC 9112, 3.2).
    environ.setdefault("HTTP_HOST", "")
    return environ


def _add_unreadable(environ: dict[str, Any], scope: Scope) -> None:
    """Headers that are not ASCII, which granian leaves out: a key or encoding must not be none."""
    for name in set(scope.headers.keys()):
        if variable := _variable(name):
            environ.setdefault(variable, "\N{REPLACEMENT CHARACTER}")


@lru_cache(maxsize=1_000)
def _variable(header: str) -> str | None:
    """None for a name with `_`, which could pass for one with `-` that a proxy has set."""
    if "_" in header:
        return None
    name = header.upper().replace("-", "_")
    return name if name in _WITHOUT_PREFIX else f"HTTP_{name}"


def _joined(variable: str, before: str, value: str) -> str:
    return f"{before}{'; ' if variable == 'HTTP_COOKIE' else ','}{value}"
