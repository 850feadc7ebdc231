"""The Celery tasks of imports: each is one line that calls a service."""

from contextlib import suppress
from datetime import UTC, datetime

from config import brokers
from config.building_blocks.background_work import BackgroundWork
from config.celery import app
from importer.receiving import upload_jobs

# A thread in the worker's child, not a task of hours: the child goes on storing messages.
_importer = BackgroundWork("import", upload_jobs.import_waiting, linger=0.0, longest_pause=60.0)


@app.task(name="importer.import_uploads", ignore_result=True, expires=60)
def import_uploads() -> None:
    _importer.soon()


@app.task(name="importer.purge_uploads", ignore_result=True)
def purge_uploads() -> None:
    upload_jobs.purge(now=datetime.now(UTC))


def import_soon() -> None:
    """Tell a worker to look for uploads now. If the broker does not take the message, beat does it
    later.

    This does not use `delay`: a client waits for our answer, and a broker that does not respond
    would hold `delay` up for half a minute.
    """
    with suppress(*brokers.ERRORS):
        brokers.send(import_uploads.name, expires=import_uploads.expires)
