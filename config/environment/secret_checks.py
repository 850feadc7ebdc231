"""A check of a deployment: the stores' passwords must not be easy to guess.

docker-compose.yml runs `manage.py check --deploy --tag secrets` before the stores start. If the
check fails, no store starts and so none takes over a weak password. On a developer's machine a weak
password harms nobody.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from config.environment.variables import TOO_EASY, is_guessable

_LENGTH = 16
# The name in .env of the password in each address.
_ADDRESSES = {
    "DATABASE_URL": "POSTGRES_PASSWORD",
    "REDIS_URL": "REDIS_PASSWORD",
    "RATE_LIMIT_REDIS_URL": "REDIS_PASSWORD",
    "CELERY_BROKER_URL": "REDIS_PASSWORD, or BROKER_URL",
    "CLICKHOUSE_URL": "CLICKHOUSE_PASSWORD",
}


@register("secrets", deploy=True)
def check(**_: Any) -> list[CheckMessage]:
    return list(_complaints())


def _complaints() -> Iterator[CheckMessage]:
    for address, name in _ADDRESSES.items():
        password = unquote(urlsplit(getattr(settings, address)).password or "")
        # Without a password, a store may know its clients by something else.
        if password and is_guessable(password, length=_LENGTH):
            said = f"The password of {address} ({name}) {TOO_EASY.format(length=_LENGTH)}."
            yield Error(said, id="config.E001")
