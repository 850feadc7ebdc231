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
# The most keys of one project that are not revoked, so that none takes the room of all others.
MAX_KEYS_OF_PROJECT = 1_000
# 32 bytes in base64url.
_FORM = re.compile(r"ea_[A-Za-z0-9_-]{43}")


class TooManyKeys(Exception):
    """There are as many keys as may be. The limits exist because every process keeps all keys."""


def make(row: ApiKey) -> str:
    """Make a secret for a new key, store the key, and return the secret, which is not stored.

    Raises Django's ValidationError if the row is wrong, and TooManyKeys.
    """
    secret = _BEGINNING + secrets.token_urlsafe(32)
    row.prefix, row.digest = secret[:_SHOWN], digest(secret)
    row.full_clean()
    check_room(row.project.pk)
    row.save(force_insert=True)
    return secret


def check_room(project: int) -> None:
    """Raises TooManyKeys if the project can have no other key."""
    keys = ApiKey.objects.filter(revoked_at=None)
    if keys.filter(project=project).count() >= MAX_KEYS_OF_PROJECT:
        raise TooManyKeys(f"the project has {MAX_KEYS_OF_PROJECT:,} keys: revoke some first")
    if keys.count() >= MAX_KEYS:
        raise TooManyKeys(f"all projects together have {MAX_KEYS:,} keys: revoke some first")


def revoke(row: ApiKey) -> bool:
    """Revoke a key; False if it was revoked before.

    After keyring.KEPT_SECONDS no process accepts the key any more.
    """
    return bool(ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now()))


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def is_well_formed(text: str) -> bool:
    return _FORM.fullmatch(text) is not None
