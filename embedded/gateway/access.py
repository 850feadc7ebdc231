"""The password of the gateway. Queries can read and write files as the user that runs it."""

import base64
import binascii
import hmac
from contextlib import suppress
from email.message import Message
from urllib.parse import parse_qs, urlsplit

from embedded.gateway.errors import refusal


def check_password(path: str, headers: Message, password: str) -> None:
    """Raises EngineError (516) if a request lacks the password. Any user name is accepted."""
    if not any(
        hmac.compare_digest(given.encode(), password.encode()) for given in _given(path, headers)
    ):
        raise refusal(516, "AUTHENTICATION_FAILED", "The password is missing or wrong")


def _given(path: str, headers: Message) -> list[str]:
    """The passwords in all places where ClickHouse's clients put them."""
    given = [headers.get("X-ClickHouse-Key", "")]
    given += parse_qs(urlsplit(path).query).get("password", [])
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            given.append(base64.b64decode(credentials).decode().partition(":")[2])
    return given
