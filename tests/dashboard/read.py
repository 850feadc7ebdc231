"""Pages and panels as a reader without script sees them: their texts and links."""

import re
from html import unescape
from typing import Any

from django.test import Client
from django.utils.html import strip_tags


def panel(client: Client, path: str, status: int = 200, **headers: str) -> str:
    answer = client.get(f"/dashboard/{path}", headers=headers)
    assert answer.status_code == status, answer.content
    return str(answer.content.decode())


def text(html: str) -> str:
    """All of the text, with one space between words."""
    return " ".join(unescape(strip_tags(html.replace("<", " <"))).split())


def texts(html: str, opening: str, tag: str) -> list[str]:
    """The text of each element that begins like this, such as `<td class="number"`."""
    return [text(it) for it in re.findall(f"{opening}[^>]*>(.*?)</{tag}>", html, re.DOTALL)]


def rows(html: str, head: str = "tbody") -> list[list[str]]:
    """The cells of the rows of all tables."""
    bodies = re.findall(f"<{head}>(.*?)</{head}>", html, re.DOTALL)
    lines = [line for body in bodies for line in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
    return [[text(it) for it in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def links(html: str) -> list[str]:
    return [unescape(it) for it in re.findall(r'href="([^"]*)"', html)]


def answer(client: Client, path: str) -> Any:
    got = client.get(path)
    assert got.status_code == 200, got.content
    return got.json()
