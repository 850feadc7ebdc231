"""Segments that a project has stored under a name, and `saved(name)` replaced by what it says."""

import dataclasses
from collections.abc import Mapping
from typing import cast

from django.db import transaction

from analytics.models import SavedSegment
from analytics.segments import patterns
from analytics.segments.expressions import (
    MAX_CONDITIONS,
    TEXT,
    InvalidSegment,
    Place,
    Saved,
    Segments,
    Term,
)
from analytics.segments.parsing import parse_text
from projects.models import Project

# Saved segments inside saved segments.
MAX_DEPTH = 5
MAX_SAVED = 1_000


class InUse(Exception):
    """Other saved segments name this one; `names` are theirs."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"it is used by {', '.join(names)}; change these first")
        self.names = names


class TooMany(Exception):
    """A project has at most MAX_SAVED segments."""

    def __init__(self) -> None:
        super().__init__(f"a project has at most {MAX_SAVED} saved segments")


def in_full(segments: Segments, *, project: int) -> Segments:
    """The segments with saved ones in their places. Asks PostgreSQL only if there are any.

    Raises InvalidSegment, and django.db.Error.
    """
    texts: dict[str, str] = {}
    wanted = _names(segments)
    if not wanted:
        return segments
    for _ in range(MAX_DEPTH):
        rows = SavedSegment.objects.filter(project=project, name__in=wanted - texts.keys())
        found = dict(rows.values_list("name", "text"))
        texts |= found
        wanted = {name for text in found.values() for name in _names_in(text)}
        if texts.keys() >= wanted:
            break
    return _Replacement(texts).of(segments)


def store(row: SavedSegment) -> None:
    """Store a new or a changed segment.

    Raises Django's ValidationError, InvalidSegment, InUse, TooMany, django.db.Error,
    ClickHouseError, and DoesNotExist for a changed one that somebody has deleted.
    """
    row.clean_fields()
    _check_patterns(row)
    with transaction.atomic():
        others = _others(row)
        if row.pk is not None:
            SavedSegment.objects.get(pk=row.pk)  # or `save` would make it again
        row.validate_constraints()
        _check(row, others)
        row.save()


@transaction.atomic
def delete(row: SavedSegment) -> None:
    """Raises InUse, and django.db.Error."""
    if found := users(row):
        raise InUse([user.name for user in found])
    row.delete()


def check(row: SavedSegment) -> None:
    """Check what a form is about to store, in the same transaction.

    It must make sense itself, and those that name it must still make sense. Raises InvalidSegment,
    InUse, TooMany, django.db.Error and ClickHouseError.
    """
    _check_patterns(row)
    _check(row, _others(row))


def users(row: SavedSegment) -> list[SavedSegment]:
    """The segments that name this one. Nobody changes them until the transaction ends."""
    return [other for other in _others(row) if row.name in _names_in(other.text)]


def _others(row: SavedSegment) -> list[SavedSegment]:
    # Only this one of the locks on a row lets other transactions insert rows of the project.
    project = cast(int, row.project_id)
    Project.objects.select_for_update(no_key=True).get(pk=project)
    rows = SavedSegment.objects.filter(project=project).order_by("name")
    return [other for other in rows if other.pk != row.pk]


def _check_patterns(row: SavedSegment) -> None:
    """Before a lock is taken: nobody should wait for ClickHouse's answer with us.

    Those of saved segments that it names were checked when these were saved.
    """
    patterns.check(parse_text(row.text))


def _check(row: SavedSegment, others: list[SavedSegment]) -> None:
    if row.pk is None and len(others) >= MAX_SAVED:
        raise TooMany
    texts = {other.name: other.text for other in others} | {row.name: row.text}
    _Replacement(texts).of(parse_text(row.text), (row.name,))
    named = {name: _names_in(text) for name, text in texts.items()}
    for before in SavedSegment.objects.filter(pk=row.pk or 0).exclude(name=row.name):
        if users := [name for name, names in named.items() if before.name in names]:
            raise InUse(users)
    for user in _who_names(row.name, named):
        try:
            _Replacement(texts).of(parse_text(texts[user]), (user,))
        except InvalidSegment as error:
            message = f"saved({user}) names it and would not work: {error.message}"
            raise InvalidSegment(TEXT, message) from None


def _who_names(name: str, named: Mapping[str, set[str]]) -> set[str]:
    """Those that name it, and those that name these."""
    found: set[str] = set()
    new = {name}
    while new := {user for user, names in named.items() if names & new} - found:
        found |= new
    return found


def _names(segments: Segments) -> set[str]:
    return {it.name for it in segments.conditions() if isinstance(it, Saved)}


def _names_in(text: str) -> set[str]:
    try:
        return _names(parse_text(text))
    except InvalidSegment:  # somebody wrote the row with SQL
        return set()


class _Replacement:
    """Puts saved segments in their places, given the texts of all that may be named."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._left = MAX_CONDITIONS

    def of(
        self, segments: Segments, path: tuple[str, ...] = (), place: Place | None = None
    ) -> Segments:
        """`path` has the names of the saved segments that these are in.

        All conditions get the place of the segment that has led to them.
        """
        return Segments(
            tuple(
                tuple(self._term(term, path, place) for term in group) for group in segments.groups
            )
        )

    def _term(self, term: Term, path: tuple[str, ...], place: Place | None) -> Term:
        if isinstance(term, Segments):
            return self.of(term, path, place)
        place = place or term.place
        if isinstance(term, Saved):
            return self._saved(term.name, path, place)
        self._left -= 1
        if self._left < 0:
            message = f"at most {MAX_CONDITIONS} conditions are allowed, with those of saved ones"
            raise InvalidSegment(place, message)
        return dataclasses.replace(term, place=place)

    def _saved(self, name: str, path: tuple[str, ...], place: Place) -> Segments:
        if name in path:
            chain = " names ".join(f"saved({it})" for it in (*path, name))
            raise InvalidSegment(place, f"saved segments name each other in a circle: {chain}")
        if len(path) == MAX_DEPTH:
            message = f"saved segments are at most {MAX_DEPTH} deep in each other"
            raise InvalidSegment(place, message)
        text = self._texts.get(name)
        if text is None:
            where = f", which saved({path[-1]}) names" if path else ""
            raise InvalidSegment(place, f"there is no saved segment {name!r}{where}")
        try:
            parsed = parse_text(text)
        except InvalidSegment as error:
            raise InvalidSegment(place, f"saved({name}): {error}") from None
        return self.of(parsed, (*path, name), place)
