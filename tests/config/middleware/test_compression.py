"""Pages and static files are compressed for who asks for it, and answers of the API are not."""

import gzip
from typing import Any

import pytest
from django.test import Client

CSS = "/static/dashboard/dashboard.css"
ASKS = {"Accept-Encoding": "gzip"}


def body(answer: Any) -> bytes:
    return b"".join(answer)


@pytest.mark.django_db
def test_pages_are_compressed_and_the_api_is_not(client: Client) -> None:
    page = client.get("/login", headers=ASKS)
    assert page["Content-Encoding"] == "gzip"
    assert b"<form" in gzip.decompress(page.content)
    assert "Content-Encoding" not in client.get("/login")
    assert "Content-Encoding" not in client.get("/openapi.json", headers=ASKS)


def test_a_static_file_is_small_and_sent_once_while_it_does_not_change(client: Client) -> None:
    plain, small = body(client.get(CSS)), client.get(CSS, headers=ASKS)
    packed = body(small)
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2
    assert "ETag" not in small
    again = {**ASKS, "If-Modified-Since": small["Last-Modified"]}
    assert client.get(CSS, headers=again).status_code == 304
