"""The Celery tasks of imports: each one line that calls a service."""

from contextlib import suppress
from datetime import UTC, datetime

from config import brokers
from config.background_work import BackgroundWork
from config.celery import app
from importer.receiving import uploads

# A thread of the worker's child, and no task of hours: its messages go on being stored.
_importer = BackgroundWork("import", uploads.import_waiting, linger=0.0, longest_pause=60.0)


@app.task(name="importer.import_uploads", ignore_result=True, expires=60)
def import_uploads() -> None:
    _importer.soon()


@app.task(name="importer.purge_uploads", ignore_result=True)
def purge_uploads() -> None:
    uploads.purge(now=datetime.now(UTC))


def import_soon() -> None:
    """Have a worker look for uploads now; if the queue does not take that, beat asks later.

    Not by `delay`: somebody waits for the answer, and a broker that gives none holds that up for
    half a minute.
    """
    with suppress(*brokers.ERRORS), app.producer_pool.acquire(block=True) as producer:
        brokers.send(producer, import_uploads.name, expires=import_uploads.expires)
