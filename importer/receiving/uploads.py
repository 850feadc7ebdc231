"""Files that come by HTTP or through the admin: received whole, for a worker to import.

`upload_jobs` has what the workers do with them.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events.storing import quota
from importer.mapping import arguments
from importer.mapping.options import Options
from importer.models import Import
from importer.reading import columns_and_chunks
from importer.reading.arrow.parquet import footer_bytes
from importer.reading.chunks import FileRefused
from importer.reading.files import opened

_PIECE = 64 * 1024
# An upload must leave this much room: a full disk stops the stores on it long before an import.
KEPT_FREE_BYTES = 1024**3
_TAKEN_OVER = "a later request with the same Idempotency-Key has replaced this one"
# An upload updates its row every BEAT_SECONDS. After DEAD_SECONDS without an update its process is
# taken for dead, and its key may be used again.
BEAT_SECONDS = 5.0
DEAD_SECONDS = 60.0
# A larger Parquet footer is not checked while the client waits. This size takes 5 MB of memory; a
# file of a hundred columns in ten row groups has half of it.
_CHECKED_FOOTER_BYTES = 128 * 1024
_checking = threading.Lock()


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class UploadRefused(Exception):
    """An upload was refused and nothing of it is kept; the text says why."""


class TooLarge(UploadRefused):
    """More bytes than IMPORT_MAX_MEGABYTES."""


class NoRoom(UploadRefused):
    """The disk is full."""


class CutShort(UploadRefused):
    """Fewer bytes came than were announced."""


class StillReceiving(UploadRefused):
    """Another request with the same idempotency key is being received."""


class OtherPayload(UploadRefused):
    """The idempotency key was used before, for another payload."""


def receive(
    *,
    project: int,
    stream: Stream,
    size: int,
    name: str,
    given: Mapping[str, Any],
    key: str | None = None,
) -> Import:
    """Receive a file for a project. Then the file is on disk, and a worker will import it.

    `size` is the announced number of bytes, and `given` are the arguments by name. If a `key` was
    used before in the project, the first import is returned. Raises OptionError, FileRefused for a
    file that can't be imported, UploadRefused, and QuotaReached if the project's month is used up.
    A file may go past what is left of it.
    """
    options = arguments.parse(**given)
    require_room(size)
    row, first = _row_of(project, key, name, given)
    _give_connection_back()
    if not first:
        return _same_again(row, stream, size, given)
    try:
        quota.require_some(project)
        row.size, row.fingerprint = _written(_part(row), stream, size, row)
        _check(_part(row), options, name)
        _take(row)
    except BaseException:
        with suppress(OSError):
            _part(row).unlink()
        with suppress(DatabaseError):
            _ours(row).delete()
        raise
    return row


def _take(row: Import) -> None:
    """Mark the file as waiting, unless another request has taken over its row."""
    with transaction.atomic():
        row.state = Import.State.WAITING
        taken = _ours(row).update(
            state=row.state, size=row.size, fingerprint=row.fingerprint, updated_at=Now()
        )
        if not taken:
            raise StillReceiving(_TAKEN_OVER)
        # Inside the transaction, so that no worker sees the row before its file is in place.
        _part(row).rename(path_of(row))


def _ours(row: Import) -> QuerySet[Import]:
    """The row, as long as this request is still the one that receives its file."""
    return Import.objects.filter(pk=row.pk, receiver=row.receiver, state=Import.State.RECEIVING)


def require_room(size: int) -> None:
    """Raises TooLarge or NoRoom if a file of `size` bytes can't be kept."""
    if size > settings.IMPORT_MAX_MEGABYTES * 1024 * 1024:
        raise TooLarge(f"the file has more than {settings.IMPORT_MAX_MEGABYTES} MB")
    folder = Path(settings.IMPORT_FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise NoRoom(f"the file cannot be stored: {error.strerror}") from error
    if free - size < KEPT_FREE_BYTES:
        raise NoRoom("the file cannot be stored: the disk has too little free space")


def path_of(row: Import) -> Path:
    return Path(settings.IMPORT_FOLDER) / str(row.pk)


def _part(row: Import) -> Path:
    return path_of(row).with_suffix(f".{row.receiver}.part")


def _row_of(
    project: int, key: str | None, name: str, given: Mapping[str, Any]
) -> tuple[Import, bool]:
    """The row of this key, and whether this request receives its file. Raises StillReceiving."""
    row = Import(
        project_id=project,
        path=name,
        upload=True,
        state=Import.State.RECEIVING,
        options=dict(given),
    )
    row.key, row.idempotency_key, row.receiver = row.pk.hex, key, uuid4()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return _known(row)
    return row, True


def _known(new: Import) -> tuple[Import, bool]:
    """The row that already has the key of `new`. If its request is dead, it is taken over."""
    known = Import.objects.filter(project=new.project_id, idempotency_key=new.idempotency_key)
    dead = known.filter(
        state=Import.State.RECEIVING, updated_at__lt=Now() - timedelta(seconds=DEAD_SECONDS)
    )
    ours = dead.update(receiver=new.receiver, updated_at=Now(), path=new.path, options=new.options)
    row = known.first()
    # Without a row the other request was refused meanwhile, and the next attempt can use the key.
    if row is None or (row.state == Import.State.RECEIVING and not ours):
        raise StillReceiving("another request with this Idempotency-Key is not finished; try again")
    return row, bool(ours)


def _give_connection_back() -> None:
    """Free the database connection while the file arrives: this may be slow, the pool is small."""
    if not connection.in_atomic_block:
        connection.close()


def _same_again(row: Import, stream: Stream, size: int, given: Mapping[str, Any]) -> Import:
    """Raises OtherPayload unless the stream and its arguments are those of the row."""
    if size == row.size and row.options == dict(given):
        hashed = hashlib.sha256()
        while piece := stream.read(_PIECE):
            hashed.update(piece)
        if hashed.hexdigest() == row.fingerprint:
            return row
    raise OtherPayload("this Idempotency-Key was used before with another file or other parameters")


def _written(path: Path, stream: Stream, size: int, row: Import) -> tuple[int, str]:
    """Write the stream to disk. Returns its length in bytes and its sha256."""
    hashed, length, beat = hashlib.sha256(), 0, time.monotonic()
    try:
        with path.open("wb") as file:
            while piece := stream.read(_PIECE):
                hashed.update(piece)
                file.write(piece)
                length += len(piece)
                if time.monotonic() - beat > BEAT_SECONDS:
                    beat = time.monotonic()
                    if not _ours(row).update(updated_at=Now()):
                        raise StillReceiving(_TAKEN_OVER)
                    _give_connection_back()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise NoRoom(f"the file cannot be stored: {error.strerror}") from error
    if length < size:
        raise CutShort(f"only {length} of {size} bytes arrived")
    return length, hashed.hexdigest()


def _check(path: Path, options: Options, name: str) -> None:
    """Raises FileRefused if no row of the file can be imported; the text has the client's name for
    the file.

    Only one check runs at a time. A check that takes much memory is left to the worker.
    """
    try:
        with _checking, opened(path) as file:
            if file.format == "parquet" and footer_bytes(file) > _CHECKED_FOOTER_BYTES:
                return
            columns_and_chunks(file, options)
    except FileRefused as error:
        raise FileRefused(str(error).replace(str(path), name or "the file")) from None
