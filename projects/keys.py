"""API keys: made, shown once, revoked. Of the secret only its SHA-256 is kept.

It is 32 random bytes, which nobody guesses at any speed: it needs no salt and no slow hash, and is
looked up by its digest, whose comparison tells nothing about the secret by the time it takes.
"""

import re
import secrets
from hashlib import sha256

from django.db.models.functions import Now

from projects.keyring import MAX_KEYS
from projects.models import ApiKey

_BEGINNING = "ea_"
_SHOWN = len(_BEGINNING) + 6
# 32 bytes in base64url.
_FORM = re.compile(r"ea_[A-Za-z0-9_-]{43}")


class TooManyKeys(Exception):
    """Every process keeps all of them in memory."""

    def __init__(self) -> None:
        super().__init__(f"there are {MAX_KEYS} keys already: revoke some first")


def make(row: ApiKey) -> str:
    """Give a new key its secret, store it, and answer the secret, which is nowhere else.

    Raises django's ValidationError for what is wrong with the row, and TooManyKeys.
    """
    secret = _BEGINNING + secrets.token_urlsafe(32)
    row.prefix, row.digest = secret[:_SHOWN], digest(secret)
    row.full_clean()
    if ApiKey.objects.filter(revoked_at=None).count() >= MAX_KEYS:
        raise TooManyKeys
    row.save(force_insert=True)
    return secret


def revoke(row: ApiKey) -> bool:
    """Whether it was in force. After keyring.KEPT_SECONDS no process accepts it any more."""
    return bool(ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now()))


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def is_well_formed(text: str) -> bool:
    return _FORM.fullmatch(text) is not None
