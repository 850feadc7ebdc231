"""The environment of processes that tests start."""

import os
from urllib.parse import urlsplit

from django.db import connection


def of_the_stores() -> dict[str, str]:
    """For a process that is to use the stores of this test."""
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    # Short, so that what a killed worker held is taken up again within the test.
    return {**os.environ, "DATABASE_URL": url, "QUEUE_VISIBILITY_TIMEOUT_SECONDS": "5"}
