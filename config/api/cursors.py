"""Cursors: the text that leads from a page of an answer to the next one."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

PATTERN = "[A-Za-z0-9_-]+"


def encoded(text: str) -> str:
    """The text as a client can send it back in an address."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(cursor: str) -> str:
    """Raises ValueError. Python's decoder alone skips characters that are not base64."""
    if not re.fullmatch(PATTERN, cursor):
        raise ValueError
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
