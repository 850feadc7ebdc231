"""The questions of the documents, asked about the demo's events: the answers are those printed."""

import json
import shlex
import uuid
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics.zones import Zone
from embedded import demo
from tests import clickhouse as engine
from tests import documents
from tests.documents import DOCS
from tests.samples import framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

PAGES = sorted((DOCS / "questions").glob("*.md"))
LAST_DAY = date(2026, 11, 29)
ADDRESS = "http://127.0.0.1:8000"
WIDTH = 118


def test_every_question_has_the_answer_that_is_printed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages in one test, because the events take longer than the questions."""
    monkeypatch.setattr(Zone, "today", lambda _: LAST_DAY)
    sent = demo.events(demo.end_of(LAST_DAY))
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))
    wrong, asked = [], 0
    for page in PAGES:
        for command, printed in questions(page):
            answer = ask(client, command)
            asked += 1
            if not is_same(answer, printed):
                wrong.append(f"{page.name}\n{command}\n{shown(answer)}")
    assert not wrong, "\n".join(wrong)
    assert asked > 20


def questions(page: Path) -> list[tuple[str, str | None]]:
    """Each curl line, and the answer that is printed below it. What is saved needs none."""
    blocks = documents.blocks(page)
    found = []
    for (kind, body), (next_kind, next_body) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh" and body.startswith("curl "):
            has_answer = next_kind in ("json", "csv")
            assert has_answer or "-X POST" in body, body
            found.append((body, next_body if has_answer else None))
    return found


def ask(client: Client, command: str) -> Any:
    """Does what curl does with these options. Returns the answer, which must be a good one."""
    method, url, data, headers = "GET", "", list[str](), []
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    in_address = False
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-G":
            in_address = True
        elif word == "-H":
            headers.append(next(words))
        elif word in ("-d", "--data-urlencode"):
            data.append(next(words))
        else:
            url = word.removeprefix(ADDRESS)
    if in_address:
        url += "?" + "&".join(quote(pair, safe="=") for pair in data)
    assert headers in ([], ["Content-Type: application/json"])
    body = "" if in_address else "&".join(data)
    answer = client.generic(method, url, body, "application/json")
    assert answer.status_code in (200, 201), (command, answer.content)
    return answer


def is_same(answer: Any, printed: str | None) -> bool:
    if printed is None:
        return True
    if answer["Content-Type"].startswith("text/csv"):
        return str(answer.content.decode()).replace("\r\n", "\n") == printed
    return bool(json.loads(answer.content) == json.loads(printed))


def shown(answer: Any) -> str:
    """As it may be printed."""
    if answer["Content-Type"].startswith("text/csv"):
        return f"```csv\n{answer.content.decode()}```"
    return f"```json\n{_laid_out(json.loads(answer.content), 0)}\n```"


def _laid_out(value: Any, indent: int) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) + indent <= WIDTH or not isinstance(value, list | dict):
        return text
    space = "\n" + " " * (indent + 1)
    if isinstance(value, list):
        return "[" + f",{space}".join(_laid_out(it, indent + 1) for it in value) + "]"
    parts = [f"{json.dumps(key)}: {_laid_out(it, indent + 1)}" for key, it in value.items()]
    return "{" + f",{space}".join(parts) + "}"
