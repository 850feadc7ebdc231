"""Pages of the admin as a browser shows them."""

from html import unescape

from django.test import Client


def page(client: Client, url: str, **parameters: str) -> str:
    answer = client.get(url, parameters)
    assert answer.status_code == 200, answer
    return unescape(answer.content.decode())
