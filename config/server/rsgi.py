"""The RSGI entry point: granian's event loop receives bodies and watches clients; threads answer.

With granian's own WSGI, each body would occupy a thread, however slowly it comes, and the service
would not learn that a client has left.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]
from structlog import get_logger

from config.building_blocks import silence
from config.memory import allocator, room
from config.server import sending
from config.server.body import REFUSAL, Body, take_in
from config.server.disconnects import Client, answering
from config.server.environ import environ_of
from config.server.sending import Answer
from config.wsgi import application as wsgi

log = get_logger(__name__)
allocator.give_back()
# What a request asks takes milliseconds; what may take longer is for patient `BackgroundWork`.
# After a transaction that failed so, Django waits 5 s more for another connection.
silence.limit_process(10)
# The threads mostly wait for a store or for a file.
_THREADS = 128
_answering = ThreadPoolExecutor(_THREADS, thread_name_prefix="answer")
# Separate threads: those that answer may all be busy with the work that is to be stopped.
_stopping = ThreadPoolExecutor(8, thread_name_prefix="stop")
_PAUSE_SECONDS = 0.2
# Of the names of the headers, the environ and the body.
_lane: Callable[[list[str], dict[str, Any], bytes], Awaitable[Answer | None]] = import_string(
    settings.LANE
)


async def application(scope: Scope, protocol: HTTPProtocol) -> None:
    environ = environ_of(scope)
    body = await take_in(scope, protocol)
    environ["wsgi.input"] = body.stream
    if body.refusal:
        environ[REFUSAL] = body.refusal
    client = Client()
    loop = asyncio.get_running_loop()
    try:
        if short := await _in_short(scope, environ, body):
            protocol.response_bytes(*short)
            return
        answer = loop.run_in_executor(_answering, _answer, environ, protocol, client, body)
        if scope.method in ("GET", "HEAD"):
            await _watch(answer, protocol, client)
        if large := await answer:
            await sending.send(protocol, large, body.share)
    finally:
        body.release()


async def _in_short(scope: Scope, environ: dict[str, Any], body: Body) -> Answer | None:
    """The answer to a request of the kind that comes most often, or None: WSGI has to answer."""
    if scope.method != "POST" or body.refusal or not isinstance(body.stream, io.BytesIO):
        return None
    try:
        with room.held(body.share):
            return await _lane([*scope.headers.keys()], environ, body.stream.getvalue())
    except Exception:
        # Nobody can say how far it came. If the queue has the events, they come there again, and
        # the store finds that it has them.
        log.exception("lane_failed")
        return None


async def _watch(
    answer: asyncio.Future[Answer | None], protocol: HTTPProtocol, client: Client
) -> None:
    """Wait for the answer. If the client leaves first, try to stop the work for it."""
    leaving = asyncio.ensure_future(_leaving(protocol))
    await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    # The work may not have reached the point where it can be stopped, so try again until it ends.
    while not answer.done():
        await asyncio.get_running_loop().run_in_executor(_stopping, client.leave)
        await asyncio.wait((answer,), timeout=_PAUSE_SECONDS)


async def _leaving(protocol: HTTPProtocol) -> None:
    await protocol.client_disconnect()


def _answer(
    environ: dict[str, Any], protocol: HTTPProtocol, client: Client, body: Body
) -> Answer | None:
    """Answer a request, in a thread. Returns a large answer, which the event loop sends."""
    status, headers = 500, list[tuple[str, str]]()

    def start(line: str, given: list[tuple[str, str]], *_: Any) -> Any:
        nonlocal status, headers
        status, headers = int(line[:3]), given

    with answering(client), room.held(body.share):
        response = wsgi(environ, start)
    if body.is_unread:
        headers = [*headers, ("Connection", "close")]
    try:
        name = getattr(getattr(response, "filelike", None), "name", None)
        # A part of a file, which a browser may request, has no name.
        if isinstance(name, str):
            protocol.response_file(status, headers, name)
            return None
        answer = Answer(status, headers, b"".join(response))
    finally:
        response.close()
        # Objects that refer to the response, as DRF's views do, may live until Python's garbage
        # collector runs. This frees its content now.
        vars(response).clear()
    # An answer to HEAD is sent without its body.
    if answer.is_large and environ["REQUEST_METHOD"] != "HEAD":
        return answer
    protocol.response_bytes(*answer)
    return None
