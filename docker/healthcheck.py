"""Tells Docker whether its container is healthy. The argument is `web`, `worker` or `beat`.

It imports nothing of the service, because it runs every half minute in each container.
"""

import os
import re
import socket
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection

SECONDS = 5
# The key of config.monitoring.liveness. Beat writes it every 5 to 10 seconds.
BEAT = "alive:beat"
SILENCE_SECONDS = 60


def web() -> bool:
    connection = HTTPConnection("127.0.0.1", 8000, timeout=SECONDS)
    connection.request("GET", "/health")
    return connection.getresponse().status == HTTPStatus.OK


def worker() -> bool:
    from celery import Celery  # noqa: PLC0415  (a quarter of a second, which the others save)

    with Celery(broker=os.environ["CELERY_BROKER_URL"], set_as_current=False) as app:
        node = f"celery@{socket.gethostname()}"
        return bool(app.control.ping(destination=[node], timeout=SECONDS))


def beat() -> bool:
    import redis  # noqa: PLC0415

    url = os.environ["RATE_LIMIT_REDIS_URL"]
    # In a cluster, the first node in the URL knows the others.
    kind = redis.RedisCluster if "+cluster://" in url else redis.Redis
    url = re.sub(r",[^/]*", "", url).replace("+cluster", "")
    with kind.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as server:
        said = server.get(BEAT)
    return said is not None and time.time() - float(said) < SILENCE_SECONDS


if __name__ == "__main__":
    sys.exit(not {"web": web, "worker": worker, "beat": beat}[sys.argv[1]]())
