"""Lua scripts in Redis, which remembers them by their hash."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError


class Script(NamedTuple):
    text: str
    sha: str


def script(path: Path) -> Script:
    text = path.read_text()
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def run(connection: Any, script: Script, key: str, *arguments: Any) -> Any:
    """What the script returns. It is sent whole if Redis has forgotten it. Raises RedisError."""
    try:
        return connection.evalsha(script.sha, 1, key, *arguments)
    except NoScriptError:
        return connection.eval(script.text, 1, key, *arguments)
