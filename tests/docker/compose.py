"""docker-compose.yml as Compose would read it: variables filled in by the rules of its spec."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.project import PROJECT

FILE = PROJECT / "docker-compose.yml"
# What an operator has to make up.
SECRETS = {
    "DJANGO_SECRET_KEY": "a" * 50,
    "POSTGRES_PASSWORD": "b" * 32,
    "REDIS_PASSWORD": "c" * 32,
    "CLICKHOUSE_PASSWORD": "d" * 32,
    "GRAFANA_PASSWORD": "e" * 32,
    "METRICS_TOKEN": "f" * 32,
}
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":-|-|:\?|\?|:\+|\+")


class Missing(Exception):
    """What Compose stops with where a variable must be set."""


def load(variables: Mapping[str, str]) -> dict[str, Any]:
    document = filled(yaml.safe_load(FILE.read_text()), variables)
    assert isinstance(document, dict)
    return document


def services(variables: Mapping[str, str] = SECRETS) -> dict[str, dict[str, Any]]:
    return dict(load(variables)["services"])


def filled(node: Any, variables: Mapping[str, str]) -> Any:
    """A document with the variables in its values, though not in its keys, replaced."""
    if isinstance(node, dict):
        return {key: filled(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """After the spec's 12-interpolation.md; raises Missing for `${NAME:?message}`."""
    done = ""
    while "$" in text:
        before, _, text = text.partition("$")
        done += before
        if text.startswith("$"):
            done, text = done + "$", text[1:]
        elif text.startswith("{"):
            inside, text = _braced(text)
            done += _value(inside, variables)
        elif name := _NAME.match(text):
            done, text = done + variables.get(name[0], ""), text[name.end() :]
        else:
            done += "$"
    return done + text


def _braced(text: str) -> tuple[str, str]:
    """What stands between a leading brace and its partner, and what follows."""
    depth = 0
    for position, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return text[1:position], text[position + 1 :]
    raise ValueError(f"no closing brace: {text}")


def _value(inside: str, variables: Mapping[str, str]) -> str:
    name = _NAME.match(inside)
    assert name, inside
    value = variables.get(name[0])
    operator = _OPERATOR.match(inside, name.end())
    if operator is None:
        assert name[0] == inside, inside
        return value or ""
    word = inside[operator.end() :]
    there = bool(value) if operator[0].startswith(":") else value is not None
    if operator[0].endswith("+"):
        return interpolate(word, variables) if there else ""
    if there:
        return value or ""
    if operator[0].endswith("?"):
        raise Missing(interpolate(word, variables))
    return interpolate(word, variables)
