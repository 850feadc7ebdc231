"""Intake: stores the messages that a worker took off the queue, and parks what can't be stored."""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import django.db
import psycopg
from django.db import transaction
from structlog import get_logger

from config.monitoring import metrics
from events.delivery import parking
from events.format.records import frame, unframe
from events.models import Batch
from events.storing.store import ProjectGone, UnknownProject, store

log = get_logger(__name__)

# PostgreSQL refuses the content (SQLSTATE classes 22 and 23), or the content is not a frame of
# events. The same messages would fail every time. After any other error, the next try may succeed.
_POISON = (
    *(django.db.DataError, django.db.IntegrityError, psycopg.DataError, psycopg.IntegrityError),
    *(binascii.Error, ValueError, *parking.UNREADABLE),
    UnknownProject,
)
# No project has this number or a higher one: the hot layer has 4 bytes for it.
_PROJECTS = 2**31


def store_messages(messages: Sequence[Sequence[Any]]) -> None:
    """Store the frames of all messages in one transaction. A message is a frame and its project.

    If their content makes this fail, store each message by itself, and then each event by itself.
    What still can't be stored is parked. Events of a project that was deleted meanwhile are
    dropped. Raises django.db.Error or psycopg.Error when PostgreSQL can't store at present. Then
    any part of the messages may be stored or not, and it is safe to pass all of them again.
    """
    groups, strangers = _by_project(messages)
    try:
        with transaction.atomic() if len(groups) > 1 else nullcontext():
            # In order, so that two transactions never wait for each other in a cycle.
            for project in sorted(groups):
                _store(project, [b64decode(text) for text in groups[project]])
    except _POISON:
        for project, texts in groups.items():
            for text in texts:
                _store_message(project, text)
    # Last: if the others fail, all messages go back to the queue.
    for text in strangers:
        _park(text, "the message names no project")


def _by_project(messages: Sequence[Sequence[Any]]) -> tuple[dict[int, list[str]], list[str]]:
    """The texts of the messages by project, and those of messages that name no project."""
    groups: dict[int, list[str]] = {}
    strangers: list[str] = []
    for text, *others in messages:
        project = others[0] if others else None
        if type(project) is int and 0 < project < _PROJECTS:
            groups.setdefault(project, []).append(text)
        else:
            strangers.append(text)
    return groups, strangers


def _park(text: str, reason: str, project: int | None = None) -> None:
    parking.park_unstored(text.encode(errors="backslashreplace"), reason=reason, project=project)


def _store_message(project: int, text: str) -> None:
    try:
        data = b64decode(text, validate=True)
        records = unframe(data)
    except (ValueError, *parking.UNREADABLE) as error:
        _park(text, _reason(error), project)
        return
    try:
        _store(project, [data])
    except _POISON:
        for record in records:
            _store_frame(project, frame([record]))


def _store_frame(project: int, data: bytes) -> None:
    try:
        _store(project, [data])
    except _POISON as error:
        parking.park_unstored(data, reason=_reason(error), project=project)


def _store(project: int, frames: list[bytes]) -> None:
    try:
        store(project=project, frames=frames, source=Batch.Source.QUEUE)
    except ProjectGone:
        count = sum(len(parking.read(data)) for data in frames)
        metrics.EVENTS_DROPPED.inc(count)
        log.warning("events_of_deleted_project", project=project, count=count)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
