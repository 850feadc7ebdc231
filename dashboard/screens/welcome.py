"""What an empty project shows instead of numbers: how to send the first event."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest

from analytics.people.listing import everyone
from dashboard.pages import Filled, Panel
from dashboard.screens import importing
from dashboard.screens.live import newest
from dashboard.state import State
from projects import access

SETTINGS = "/dashboard/settings"
_FIRST = "/dashboard/overview/panels/first"


class Way(NamedTuple):
    """A way to send an event: its name, a program that does it, and what else to know."""

    name: str
    text: str
    note: str = ""


def is_empty(project: int) -> bool:
    """Whether ClickHouse has no event of the project. Raises ClickHouseError."""
    return everyone(project=project, limit=1).total == 0


def welcome(request: HttpRequest, state: State) -> Filled:
    """What the template `panels/welcome.html` shows."""
    needs_key = settings.API_KEYS_REQUIRED
    return {
        "template": "welcome",
        "needs_key": needs_key,
        "may_make_key": needs_key and access.may(request, access.ADMIN),
        "settings": state.link(SETTINGS, without=set(state.given) - {"project"}),
        "ways": ways(request, state),
        **first(request, state),
        **importing.drop(request, state),
    }


def first(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    found = newest(project=project, limit=1, state=state)
    return {**waiting(state), "event": found[0] if found else None}


def waiting(state: State) -> Filled:
    """What the template `panels/first.html` shows before it has asked for the first event."""
    return {"event": None, "first": state.link(_FIRST), "overview": state.link("/dashboard/")}


def ways(request: HttpRequest, state: State, key: str = "") -> list[Way]:
    """How to send an event to the project that is shown: with this key, or where one is required
    with a place for it.
    """
    shown = key or ("YOUR_KEY" if settings.API_KEYS_REQUIRED else "")
    return _ways(_address(request, state, has_key=bool(shown)), shown)


def _address(request: HttpRequest, state: State, *, has_key: bool) -> str:
    """Where this project takes events. A key says itself of which project it is."""
    address = request.build_absolute_uri("/events")
    slug = state.given.get("project")
    return address if has_key or not slug else f"{address}?project={quote(slug)}"


def _ways(address: str, secret: str) -> list[Way]:
    event = {"user_id": "u1", "event_type": "page_view", "at": _now(), "id": str(uuid4())}
    given: dict[str, Any] = {**event, "address": address}
    texts = [
        text.replace(_KEY, key.replace("YOUR_KEY", secret) if secret else "")
        for text, key in ((_CURL, _CURL_KEY), (_PYTHON, _PYTHON_KEY), (_FETCH, _FETCH_KEY))
    ]
    curl, python, fetch = (_filled(text, given) for text in texts)
    elsewhere = "A page of another origin must be named in the setting CORS_ORIGINS."
    return [Way("curl", curl), Way("Python", python), Way("A web page", fetch, elsewhere)]


def _filled(text: str, given: dict[str, Any]) -> str:
    for name, value in given.items():
        text = text.replace(f"<{name}>", value)
    return text


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_KEY = "<key>"
_CURL = """\
curl '<address>' \\<key>
  -H 'Content-Type: application/json' \\
  -d '[{"event_id": "<id>", "occurred_at": "<at>",
        "user_id": "<user_id>", "event_type": "<event_type>"}]'"""
_CURL_KEY = "\n  -H 'Authorization: Bearer YOUR_KEY' \\"
_PYTHON = """\
import json, urllib.request, uuid
from datetime import UTC, datetime

event = {
    "event_id": str(uuid.uuid4()),
    "occurred_at": datetime.now(UTC).isoformat(),
    "user_id": "<user_id>",
    "event_type": "<event_type>",
}
request = urllib.request.Request(
    "<address>",
    json.dumps([event]).encode(),
    {"Content-Type": "application/json"<key>},
)
print(urllib.request.urlopen(request).read().decode())"""
_PYTHON_KEY = ', "Authorization": "Bearer YOUR_KEY"'
_FETCH = """\
fetch("<address>", {
  method: "POST",
  headers: {"Content-Type": "application/json"<key>},
  body: JSON.stringify([{
    event_id: crypto.randomUUID(),
    occurred_at: new Date().toISOString(),
    user_id: "<user_id>",
    event_type: "<event_type>",
  }]),
})"""
_FETCH_KEY = ', "Authorization": "Bearer YOUR_KEY"'

FIRST = Panel("first", "The first event", first)
