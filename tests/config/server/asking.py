"""Requests to the real server, and what it says it has answered."""

from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from typing import NamedTuple

from embedded import ports
from tests.web_server import Web


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def answer(web: Web, method: str, path: str, **headers: str) -> Answer:
    with closing(HTTPConnection(ports.HOST, web.port, timeout=20)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def counted(web: Web, status: str) -> float:
    """Requests that the server says it has answered so."""
    start, said = b"api_request_duration_seconds_count{", f'status="{status}"'.encode()
    lines = answer(web, "GET", "/metrics").body.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(start) and said in line)
