"""Turns RSGI's scope of a request into the environ of WSGI (PEP 3333)."""

import sys
from functools import lru_cache
from string import printable
from typing import Any
from urllib.parse import quote
from wsgiref.util import FileWrapper

from granian.rsgi import Scope

from config.server import UNREADABLE

_COMMON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
}
# WSGI names these headers without `HTTP_`. To repeat them has no meaning, or HTTP has refused it
# already.
_WITHOUT_PREFIX = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """The environ of a request without `wsgi.input`."""
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        **_COMMON,
        "REQUEST_METHOD": scope.method,
        # WSGI expects the bytes of the path, read as Latin-1.
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": _encoded(scope.query_string),
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
    # Without a Host header Django would use SERVER_NAME, which is the address. HTTP/1.1 requires
    # the header (RFC 9112, 3.2).
    environ.setdefault("HTTP_HOST", "")
    return environ


def _encoded(query: str) -> str:
    """With the letters that a client should have encoded (RFC 3986) and curl does not."""
    return query if query.isascii() else quote(query, safe=printable)


def _add_unreadable(environ: dict[str, Any], scope: Scope) -> None:
    """Add headers that are not ASCII, which granian leaves out.

    A key or an encoding that can't be read must not count as missing. Cookies do: other programs of
    the same domain set them, and the service has to answer all the same.
    """
    for name in set(scope.headers.keys()) - {"cookie"}:
        if variable := _variable(name):
            environ.setdefault(variable, UNREADABLE)


@lru_cache(maxsize=1_000)
def _variable(header: str) -> str | None:
    """The header's name in the environ.

    None for a name with `_`: it could be taken for a name with `-` that a proxy has set.
    """
    if "_" in header:
        return None
    name = header.upper().replace("-", "_")
    return name if name in _WITHOUT_PREFIX else f"HTTP_{name}"


def _joined(variable: str, before: str, value: str) -> str:
    return f"{before}{'; ' if variable == 'HTTP_COOKIE' else ','}{value}"
