"""Tells Docker whether the container it runs in is well: `web`, `worker` or `beat`.

Of the service it imports nothing: it runs every half minute in each container.
"""

import os
import socket
import sys
from http import HTTPStatus
from http.client import HTTPConnection

SECONDS = 5
# Beat writes down every three minutes when it last sent each periodic task.
BEAT = (
    "SELECT max(last_run_at) > now() - interval '10 minutes' FROM django_celery_beat_periodictask"
)


def web() -> bool:
    connection = HTTPConnection("127.0.0.1", 8000, timeout=SECONDS)
    connection.request("GET", "/health")
    return connection.getresponse().status == HTTPStatus.OK


def worker() -> bool:
    from celery import Celery  # noqa: PLC0415  (a quarter of a second that the others save)

    with Celery(broker=os.environ["CELERY_BROKER_URL"], set_as_current=False) as app:
        node = f"celery@{socket.gethostname()}"
        return bool(app.control.ping(destination=[node], timeout=SECONDS))


def beat() -> bool:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=SECONDS) as connection:
        row = connection.execute(BEAT).fetchone()
    return bool(row and row[0])


if __name__ == "__main__":
    sys.exit(not {"web": web, "worker": worker, "beat": beat}[sys.argv[1]]())
