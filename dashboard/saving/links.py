"""Shared links: a saved view for anyone who has the address, until it ends.

A link is the number of the view, the view's secret and the end in seconds, signed with the key of
the service. So nothing is stored of a link, and the view ends its links by another secret.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from django.core import signing
from django.db import transaction

from dashboard.models import SavedView
from dashboard.saving.store import Gone
from projects.scopes import READ

_SIGNER = "dashboard.shared_link"
DAYS = {"1": "1 day", "7": "7 days", "30": "30 days", "90": "90 days"}


class NoLink(Exception):
    """The address was never a link, or a character of it is another now."""


class LinkEnded(Exception):
    """The link was good once."""


class Reader(NamedTuple):
    """Who has a link, as `request.auth`: they see one view of this project."""

    project: int
    slug: str
    scopes: frozenset[str] = frozenset({READ})


class Opened(NamedTuple):
    """What a link shows, to whom, and until when."""

    view: SavedView
    reader: Reader
    end: datetime


def share(view: SavedView, *, days: int) -> tuple[str, datetime]:
    """The text of a new link, and its end. Raises Gone if somebody has deleted the view."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    with transaction.atomic():
        # Somebody may have ended all links since the view was read: the secret is that of now.
        row = SavedView.objects.select_for_update().filter(pk=view.pk).first()
        if row is None:
            raise Gone("There is no such saved view. Somebody may have deleted it.")
        row.shared_until = max(row.shared_until or end, end)
        row.save(update_fields=["shared_until"])
    text = f"{row.pk}.{row.links_secret.hex}.{int(end.timestamp())}"
    return _signer().sign(text), end


def end_all(view: SavedView) -> None:
    SavedView.objects.filter(pk=view.pk).update(links_secret=uuid4(), shared_until=None)


def opened(token: str) -> Opened:
    """Raises NoLink, LinkEnded and django.db.Error."""
    try:
        pk, secret, end = _signer().unsign(token).split(".")
    except signing.BadSignature:
        raise NoLink from None
    if int(end) <= time.time():
        raise LinkEnded
    found = SavedView.objects.filter(pk=pk, links_secret=secret, project__deleted_at=None)
    view = found.select_related("project").first()
    if view is None:
        raise LinkEnded
    reader = Reader(view.project.pk, str(view.project.slug))
    return Opened(view, reader, datetime.fromtimestamp(int(end), UTC))


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SIGNER)
