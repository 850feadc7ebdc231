"""Lua scripts in Redis, which remembers them by their hash."""

import hashlib
from collections.abc import Sequence
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


def run_each(connection: Any, script: Script, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """What the script returns for each call, a key and its arguments, in one round trip.

    The result of a call may be an error of Redis. Raises RedisError if Redis can't be reached.
    """
    if len(calls) == 1:  # a pipeline of one command takes longer than the command
        return [run(connection, script, *calls[0])]
    with connection.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.evalsha(script.sha, 1, *call)
        results: list[Any] = pipe.execute(raise_on_error=False)
        # Such a call was not run. This happens once after Redis has started.
        forgotten = [n for n, one in enumerate(results) if isinstance(one, NoScriptError)]
        for number in forgotten:
            pipe.eval(script.text, 1, *calls[number])
        for number, result in zip(forgotten, pipe.execute(raise_on_error=False), strict=True):
            results[number] = result
    return results
