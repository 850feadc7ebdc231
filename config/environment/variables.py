"""Strict readers of environment variables: a bad value stops the process and names the variable."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import overload
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# The fewest different characters of a secret. Random text has more; a word, a placeholder or one
# repeated key has fewer.
_SECRET_VARIETY = 8
_WORDS = frozenset(
    {"passw", "changeme", "change-me", "secret", "insecure", "example", "admin", "qwerty"}
    | {"postgres", "redis", "clickhouse", "12345"}
)
TOO_EASY = (
    "is too easy to guess; use at least {length} random characters,"
    " for example those of `openssl rand -hex 32`"
)


def is_guessable(value: str, *, length: int) -> bool:
    few = len(value) < length or len(set(value)) < _SECRET_VARIETY
    return few or any(word in value.lower() for word in _WORDS)


class Environment:
    """The process environment. What the running one-machine stack wrote is the fallback.

    While it runs, `embedded` writes the addresses of its stores to `DATA_DIR/stack.env`, so that
    any `manage.py` command in a second terminal finds them. A variable set by hand always wins.
    """

    def __init__(self, variables: Mapping[str, str], *, stack_file: Path) -> None:
        self._variables = {**_read_pairs(stack_file), **variables}

    @overload
    def text(self, name: str) -> str: ...
    @overload
    def text(self, name: str, default: str) -> str: ...
    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get(name, default)
        if value is None:
            raise ImproperlyConfigured(f"{name} is not set and has no default")
        return value

    def secret(self, name: str, *, length: int) -> str:
        """A secret; empty if it is not set. Raises ImproperlyConfigured if it is easy to guess."""
        value = self.text(name, "")
        if value and is_guessable(value, length=length):
            raise ImproperlyConfigured(f"{name} {TOO_EASY.format(length=length)}")
        return value

    def address(self, name: str, default: str, *schemes: str) -> str:
        """A URL with one of `schemes`. The error does not show it, as it holds a password."""
        value = self.text(name, default)
        try:
            parts = urlsplit(value)
            good = parts.scheme in schemes and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ImproperlyConfigured(
                f"{name} must be like {schemes[-1]}://user:password@host:port/database; write"
                " : / @ ? # % in the password as %3A %2F %40 %3F %23 %25"
            )
        return value

    def word(self, name: str) -> str:
        """A name that can be put in SQL as it is; empty if it is not set."""
        value = self.text(name, "")
        if value and not _WORD.fullmatch(value):
            raise ImproperlyConfigured(
                f"{name} must be at most 64 letters, digits and underscores, and must not start"
                f" with a digit, got {value!r}"
            )
        return value

    def number(self, name: str, default: int, *, minimum: int = 0) -> int:
        raw = self._variables.get(name)
        if raw is None:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a whole number, got {raw!r}") from None
        if value < minimum:
            raise ImproperlyConfigured(f"{name} must be at least {minimum}, got {value}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        raw = self._variables.get(name)
        if raw is None:
            return default
        if raw.lower() in _TRUE:
            return True
        if raw.lower() in _FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, got {raw!r}")

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        return value

    def items(self, name: str, default: str) -> list[str]:
        """A comma-separated list; blanks around and between commas are dropped."""
        return [item.strip() for item in self.text(name, default).split(",") if item.strip()]


def _read_pairs(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def load(base_dir: Path) -> Environment:
    data_dir = Path(os.environ.get("DATA_DIR", base_dir / ".data"))
    return Environment(os.environ, stack_file=data_dir / "stack.env")
