"""A PostgreSQL that hangs: it takes what it is sent, answers nothing, and clients hear so."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from embedded import ports
from tests import environment, web_server
from tests.faults.proxy import Mode, Proxy
from tests.samples import event
from tests.waiting import wait_until
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")

ASKED = ("/ready", "/events", "/events?wait=true")
# That of tests.impatient_web, and 5 s for another connection. Without a limit no answer comes.
PROMPT_SECONDS = 2 + 5 + 3


def told(web: Web, path: str) -> tuple[int, float]:
    """The status of an answer, and how long it took."""
    began = time.monotonic()
    with closing(HTTPConnection(ports.HOST, web.port, timeout=30)) as connection:
        if "wait" in path:
            body = json.dumps([event()])
            connection.request("POST", path, body, {"Content-Type": "application/json"})
        else:
            connection.request("GET", path)
        status = connection.getresponse().status
    return status, time.monotonic() - began


def test_each_client_is_told_503_in_time_and_it_goes_on_when_postgresql_does() -> None:
    url = environment.of_the_stores()["DATABASE_URL"]
    port = urlsplit(url).port
    assert port
    door = Proxy(port)
    through = url.replace(f":{port}/", f":{door.port}/")
    with (
        closing(door),
        web_server.running("tests.impatient_web:application", DATABASE_URL=through) as web,
        ThreadPoolExecutor(12) as clients,
    ):

        def all_told() -> list[tuple[int, float]]:
            return list(clients.map(lambda path: told(web, path), ASKED * 4))

        wait_until(lambda: {status for status, _ in all_told()} == {200})
        door.mode = Mode.HUNG
        answers = all_told()
        assert {status for status, _ in answers} == {503}
        assert max(seconds for _, seconds in answers) < PROMPT_SECONDS
        door.mode = Mode.OPEN
        wait_until(lambda: {status for status, _ in all_told()} == {200})
