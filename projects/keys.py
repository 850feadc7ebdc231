"""Make and revoke API keys. A secret is shown once; only its SHA-256 is stored.

A secret is 32 random bytes, which nobody can guess at any speed. So it needs no salt and no slow
hash. It is looked up by its digest: the time of that comparison tells nothing about the secret.
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
    """MAX_KEYS keys are not revoked. The limit exists because every process keeps all keys."""

    def __init__(self) -> None:
        super().__init__(f"there are already {MAX_KEYS} keys: revoke some first")


def make(row: ApiKey) -> str:
    """Make a secret for a new key, store the key, and return the secret, which is not stored.

    Raises Django's ValidationError if the row is wrong, and TooManyKeys.
    """
    secret = _BEGINNING + secrets.token_urlsafe(32)
    row.prefix, row.digest = secret[:_SHOWN], digest(secret)
    row.full_clean()
    if ApiKey.objects.filter(revoked_at=None).count() >= MAX_KEYS:
        raise TooManyKeys
    row.save(force_insert=True)
    return secret


def revoke(row: ApiKey) -> bool:
    """Revoke a key; False if it was revoked before.

    After keyring.KEPT_SECONDS no process accepts the key any more.
    """
    return bool(ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now()))


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def is_well_formed(text: str) -> bool:
    return _FORM.fullmatch(text) is not None
