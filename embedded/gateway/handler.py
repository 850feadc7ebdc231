"""ClickHouse's HTTP interface: requests in, results, errors and their headers out."""

import sys
import traceback
import uuid
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from embedded.gateway import encoders
from embedded.gateway.access import check_password
from embedded.gateway.bodies import BrokenBodyError, decode, read_body
from embedded.gateway.engine import Engine, new_marker
from embedded.gateway.errors import EngineError, refusal
from embedded.gateway.parameters import Parameters, parse, parse_form
from embedded.gateway.queries import Outcome, Query, run
from embedded.gateway.watch import DisconnectWatch


class GatewayServer(ThreadingHTTPServer):
    """A thread per connection; the engine bounds how many queries run at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *, password: str | None) -> None:
        """Without a `password` anyone on the machine is served."""
        super().__init__(address, Handler)
        self.password = password
        self.engine: Engine
        self.watch: DisconnectWatch

    def serve(self, engine: Engine) -> None:
        """Answer requests until `shutdown()` is called from another thread."""
        self.engine = engine
        self.watch = DisconnectWatch(engine)
        self.serve_forever(poll_interval=0.1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse-chDB"
    timeout = 600  # seconds a connection may be idle or a body may stall
    disable_nagle_algorithm = True  # without it a small answer waits 40 ms for an ACK
    wbufsize = 64 * 1024
    server: GatewayServer
    _head_sent = False

    def do_GET(self) -> None:
        if urlsplit(self.path).path in ("/ping", "/replicas_status"):
            self._send(HTTPStatus.OK, {}, b"Ok.\n")
        else:
            self._answer(read_only=True)

    def do_HEAD(self) -> None:
        self._send(HTTPStatus.OK, {}, b"")

    def do_POST(self) -> None:
        self._answer(read_only=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing per request: queries are in the application's log."""

    def _answer(self, *, read_only: bool) -> None:
        self._head_sent = False
        raw_body: Iterator[bytes] = iter(())
        try:
            raw_body = read_body(self.rfile, self.headers)
            if "Origin" in self.headers:
                raise refusal(497, "ACCESS_DENIED", "Web pages may not use this interface")
            if self.server.password is not None:
                check_password(self.path, self.headers, self.server.password)
            if urlsplit(self.path).path == "/":
                self._run(raw_body, read_only)
            else:
                self._discard(raw_body)
                self._send(HTTPStatus.NOT_FOUND, {}, b"There is only / and /ping\n")
        except BrokenBodyError as error:
            self.close_connection = True
            self._send_error(error)
        except EngineError as error:
            self._discard(raw_body)
            self._send_error(error)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self._discard(raw_body)
            self._send_error(refusal(243, "NOT_ENOUGH_SPACE", f"Can't write to disk: {error}"))
        except Exception as error:
            traceback.print_exc()
            self.close_connection = True
            self._send_error(refusal(1002, "UNKNOWN_EXCEPTION", repr(error)))

    def _run(self, raw_body: Iterator[bytes], read_only: bool) -> None:
        body = decode(raw_body, self.headers.get("Content-Encoding", "").strip().lower())
        form: dict[str, str] = {}
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            form, body = parse_form(b"".join(body), content_type), iter(())
        parameters = parse(urlsplit(self.path).query, form)
        query_id = parameters.own.get("query_id") or str(uuid.uuid4())
        query = _query(parameters, self.headers, body, read_only)
        with (
            self.server.watch.watching(self.connection, query.marker),
            run(self.server.engine, query) as outcome,
        ):
            self._send_outcome(outcome, parameters, query_id)

    def _send_outcome(self, outcome: Outcome, parameters: Parameters, query_id: str) -> None:
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": self.server.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "chdb",
        }
        if outcome.format:
            headers["X-ClickHouse-Format"] = outcome.format
        headers["X-ClickHouse-Summary"] = outcome.summary()
        encoding = None
        if parameters.flag("enable_http_compression"):
            encoding = encoders.choose(self.headers.get("Accept-Encoding", ""))
        self._send_chunks(headers, outcome.chunks, encoding)

    def _send_chunks(
        self, headers: dict[str, str], chunks: Iterable[bytes], encoding: str | None
    ) -> None:
        """Send a result of one chunk with Content-Length, and a longer result chunked."""
        tag = uuid.uuid4().hex[:16]
        headers["X-ClickHouse-Exception-Tag"] = tag
        if encoding:
            headers["Content-Encoding"] = encoding
        encoded = filter(None, encoders.encode(self._with_exception(chunks, tag), encoding))
        first, second = next(encoded, b""), next(encoded, b"")
        if not second:
            self._send(HTTPStatus.OK, headers, first)
            return
        self._send_head(HTTPStatus.OK, {**headers, "Transfer-Encoding": "chunked"})
        for chunk in chain([first, second], encoded):
            self.wfile.write(b"%x\r\n" % len(chunk))
            self.wfile.write(chunk)
            self.wfile.write(b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _with_exception(self, chunks: Iterable[bytes], tag: str) -> Iterator[bytes]:
        """If an error comes after the head, append it to the result, as servers do since 25.11."""
        try:
            yield from chunks
        except EngineError as error:
            if not self._head_sent:
                raise
            text = f"{error.text}\n".encode()
            start, end = f"\r\n__exception__\r\n{tag}\r\n", f" {tag}\r\n__exception__\r\n"
            yield start.encode() + text + str(len(text)).encode() + end.encode()

    def _send_error(self, error: EngineError) -> None:
        if self._head_sent:
            self.close_connection = True  # too late for an error; the client sees a cut result
            return
        headers = {"X-ClickHouse-Exception-Code": str(error.code)}
        self._send(error.status, headers, f"{error.text}\n".encode())

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        self._send_head(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)
        self.wfile.flush()

    def _send_head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self._head_sent = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "X-ClickHouse-Format" not in headers:
            self.send_header("Content-Type", "text/plain; charset=UTF-8")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _discard(self, raw_body: Iterator[bytes]) -> None:
        """Read the rest of a refused body: closing the connection early would lose the answer."""
        try:
            for _ in raw_body:
                pass
        except BrokenBodyError:
            self.close_connection = True


def _query(
    parameters: Parameters, headers: Message, body: Iterable[bytes], read_only: bool
) -> Query:
    settings = dict(parameters.settings)
    if read_only:
        settings.setdefault("readonly", "2")
    return Query(
        text=parameters.own.get("query", ""),
        body=body,
        settings=settings,
        values=parameters.values,
        database=parameters.own.get("database") or headers.get("X-ClickHouse-Database") or "",
        default_format=parameters.own.get("default_format")
        or headers.get("X-ClickHouse-Format")
        or "TabSeparated",
        marker=new_marker(),
        whole=parameters.flag("wait_end_of_query"),
    )
