"""Stores, renames and deletes saved views and dashboards.

Where two people change the same at the same time, the last one counts.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

from django.db import IntegrityError, transaction
from django.http import QueryDict

from dashboard.models import MAX_NAME, Dashboard, SavedView
from projects.models import Project
from projects.of_request import NONE

MAX_QUERY = 4096
TOO_LONG = f"The filters are longer than {MAX_QUERY} characters."
MAX_VIEWS, MAX_DASHBOARDS = 500, 50
MAX_ON_A_DASHBOARD = 20
# Of an address: what is about the project, the browser, or the place in a list.
_NOT_SAVED = ("project", "script", "cursor", "change")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_Row = TypeVar("_Row", SavedView, Dashboard)


class NotSaved(Exception):
    """What was given can't be stored; the text says why. `is_taken`: the name is another's."""

    def __init__(self, text: str, *, is_taken: bool = False) -> None:
        super().__init__(text)
        self.is_taken = is_taken


class Gone(Exception):
    """There is no such row in the project; the text says so."""


def query_text(given: QueryDict) -> str:
    """What an address says, as a saved view keeps it: without empty values, which say nothing.

    Names are in order, so that pages which show the same have the same text. The values of one
    name stay in theirs, such as the steps of a funnel.
    """
    kept = QueryDict(mutable=True)
    for name, texts in sorted(given.lists()):
        if name not in _NOT_SAVED and (said := [text for text in texts if text]):
            kept.setlist(name, said)
    return kept.urlencode()


def view(project: int, pk: int) -> SavedView:
    """Raises Gone."""
    found = SavedView.objects.filter(project=project, pk=pk).first()
    if found is None:
        raise Gone("There is no such saved view. Somebody may have deleted it.")
    return found


def dashboard(project: int, pk: int) -> Dashboard:
    """Raises Gone."""
    found = Dashboard.objects.filter(project=project, pk=pk).first()
    if found is None:
        raise Gone("There is no such dashboard. Somebody may have deleted it.")
    return found


def views_on(of: Dashboard) -> list[SavedView]:
    """The saved views of a dashboard, in its order."""
    found = SavedView.objects.filter(project=of.project_id).in_bulk(of.views)
    return [found[pk] for pk in of.views if pk in found]


def save_view(*, project: int, name: str, page: str, query: str, by: str) -> SavedView:
    """Raises NotSaved, and Gone if the project is being deleted."""
    if len(query) > MAX_QUERY:
        raise NotSaved(TOO_LONG)
    row = SavedView(project_id=project, name=_named(name), page=page, query=query, saved_by=by)
    _insert(row, MAX_VIEWS, "saved views")
    return row


def make_dashboard(*, project: int, name: str) -> Dashboard:
    """Raises NotSaved, and Gone if the project is being deleted."""
    row = Dashboard(project_id=project, name=_named(name))
    _insert(row, MAX_DASHBOARDS, "dashboards")
    return row


def rename(row: SavedView | Dashboard, name: str) -> None:
    """Raises NotSaved. A row that somebody has deleted stays deleted."""
    row.name = _named(name)
    with _names_once():
        type(row)._default_manager.filter(pk=row.pk).update(name=row.name)


@transaction.atomic
def delete_view(row: SavedView) -> None:
    """With it end its links, and it leaves all dashboards."""
    rows = Dashboard.objects.select_for_update().filter(views__contains=[row.pk])
    for one in rows.order_by("pk"):
        _reorder(one, [pk for pk in one.views if pk != row.pk])
    row.delete()


def put(on: Dashboard, row: SavedView) -> None:
    """Add the view at the end of the dashboard, unless it is there. Raises NotSaved and Gone."""
    with _changed(on) as views:
        if row.pk in views:
            return
        if len(views) >= MAX_ON_A_DASHBOARD:
            raise NotSaved(f"A dashboard has at most {MAX_ON_A_DASHBOARD} views.")
        views.append(row.pk)


def take_off(of: Dashboard, pk: int) -> None:
    """Raises Gone."""
    with _changed(of) as views:
        if pk in views:
            views.remove(pk)


def move(of: Dashboard, pk: int, by: int) -> None:
    """Move the view up (-1) or down (1), as far as there is room. Raises Gone."""
    with _changed(of) as views:
        if pk in views:
            at = views.index(pk)
            views.insert(max(0, at + by), views.pop(at))


@contextmanager
def _changed(row: Dashboard) -> Iterator[list[int]]:
    """The numbers of the views that are on the dashboard now, to be changed in place."""
    with transaction.atomic():
        now = Dashboard.objects.select_for_update().filter(pk=row.pk).first()
        if now is None:
            raise Gone("There is no such dashboard. Somebody may have deleted it.")
        views = [it.pk for it in views_on(now)]
        yield views
        _reorder(now, views)


def _reorder(row: Dashboard, views: Sequence[int]) -> None:
    row.views = list(views)
    row.save(update_fields=["views"])


def _named(text: str) -> str:
    name = text.strip()
    if not name:
        raise NotSaved("The name is missing.")
    if len(name) > MAX_NAME:
        raise NotSaved(f"A name has at most {MAX_NAME} characters.")
    if _CONTROL.search(name):
        raise NotSaved("A name has no line breaks or other control characters.")
    if not any(it.isprintable() and not it.isspace() for it in name):
        raise NotSaved("The name has no character that can be seen.")
    return name


def _insert(row: _Row, most: int, what: str) -> None:
    with _names_once():
        # Only this one of the locks on a row lets other transactions insert rows of the project.
        projects = Project.objects.select_for_update(no_key=True)
        if projects.filter(pk=cast(int, row.project_id), deleted_at=None).first() is None:
            raise Gone(NONE)
        if type(row)._default_manager.filter(project=row.project_id).count() >= most:
            raise NotSaved(f"A project has at most {most} {what}.")
        row.save()


@contextmanager
def _names_once() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise NotSaved("This name is taken. Choose another one.", is_taken=True) from None
