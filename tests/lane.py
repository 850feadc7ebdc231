"""Requests as the server sends them: first the short way of `POST /events`, then Django."""

import asyncio
import json
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.test.client import FakePayload

from config.server.sending import Answer
from events.api import lane
from events.ingest import property_schemas
from projects.keyring import keyring
from projects.models import DEFAULT

_PATIENCE_SECONDS = 30


class LaneClient(Client):
    """Django's client, whose events go the way that they go in the server.

    `taken` is how many requests were answered without Django. Settings may change between requests
    unless they are `settled`.
    """

    taken = 0
    settled = False

    def request(self, **given: Any) -> Any:
        if given.get("PATH_INFO") != "/events" or given.get("REQUEST_METHOD") != "POST":
            return super().request(**given)
        body = given["wsgi.input"].read() if int(given.get("CONTENT_LENGTH") or 0) else b""
        given["wsgi.input"] = FakePayload(body)
        answer = self.in_the_lane(given, body)
        if answer is None:
            return super().request(**given)
        self.taken += 1
        response: Any = HttpResponse(answer.data, status=answer.status)
        del response["Content-Type"]
        for name, value in answer.headers:
            response[name] = value
        response.json = partial(json.loads, answer.data)
        return response

    def in_the_lane(self, given: dict[str, Any], body: bytes) -> Answer | None:
        environ: dict[str, Any] = self._base_environ(**given)  # type: ignore[attr-defined]
        if not environ["HTTP_COOKIE"]:
            del environ["HTTP_COOKIE"]
        names = [name[5:].replace("_", "-").lower() for name in environ if name[:5] == "HTTP_"]
        _know()
        if not self.settled:
            lane._shapes.clear()
            lane._middleware.cache_clear()
        # A turn that never ends is to fail, and not to hang.
        return asyncio.run(asyncio.wait_for(lane.answer(names, environ, body), _PATIENCE_SECONDS))


def _know() -> None:
    """What a process has read when it has been up for a moment."""
    keyring.facts_of(DEFAULT)
    if property_schemas._is_due():
        property_schemas._judges()
