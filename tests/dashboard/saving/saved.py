"""Views and dashboards as a person saves them: by the forms of the pages."""

import re
from html import unescape
from typing import Any

from django.test import Client

from dashboard.models import Dashboard, SavedView

SAVED = "/dashboard/saved"


def send(client: Client, path: str, action: str, status: int = 302, **fields: Any) -> Any:
    """What the form at a path of the dashboard is answered."""
    answer = client.post(f"/dashboard/{path}", {"action": action, **fields})
    assert answer.status_code == status, answer.content
    return answer


def save(
    client: Client,
    name: str = "Weekly",
    page: str = "trends",
    query: str = "range=7d",
    project: str = "default",
) -> SavedView:
    send(client, f"saved?project={project}", "save", name=name, page=page, query=query)
    return SavedView.objects.get(project__slug=project, name=name)


def dashboard(client: Client, *views: SavedView, name: str = "Team") -> Dashboard:
    """A new dashboard with these views on it."""
    send(client, "saved", "make", name=name)
    made = Dashboard.objects.get(name=name)
    for view in views:
        send(client, f"saved/{made.pk}", "put", view=view.pk)
    made.refresh_from_db()
    return made


def fields(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return {name: unescape(value) for name, value in found}
