"""Reads query parameters strictly: all errors are collected, each with its parameter's name."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.http import QueryDict

from config.api.problems import Problem


def read(
    params: QueryDict,
    parsers: Mapping[str, Callable[[str], Any]],
    *,
    required: Collection[str] = (),
    lists: Collection[str] = (),
) -> dict[str, Any]:
    """The value of each known parameter: None if it is left out, a list for those in `lists`.

    A parser raises ValueError with what is wrong. Raises Problem 400 with one error a parameter.
    Unknown, repeated and missing required parameters are errors too. Every endpoint knows
    `project`, which `projects.of_request` reads.
    """
    parsers = {**parsers, "project": str}
    errors = [_unknown(name, parsers) for name in params if name not in parsers]
    values: dict[str, Any] = {name: [] if name in lists else None for name in parsers}
    for name, parse in parsers.items():
        given = params.getlist(name)
        try:
            if name in lists:
                values[name] = [parse(text) for text in given]
            elif given:
                values[name] = parse(_single(given))
            elif name in required:
                raise ValueError("is missing")
        except ValueError as error:
            errors.append({"parameter": name, "message": str(error)})
    if errors:
        raise problem(errors)
    return values


def problem(errors: list[dict[str, str]]) -> Problem:
    said = "; ".join(f"{error['parameter']}: {error['message']}" for error in errors)
    return Problem(400, f"Wrong query parameters: {said}.", errors=errors)


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds, both included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        if not minimum <= int(text) <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return int(text)

    return parse


def text_up_to(longest: int, *, of: str) -> Callable[[str], str]:
    """A parser of texts without NUL of up to `longest` characters. `of` says what has no NUL."""

    def parse(text: str) -> str:
        if "\0" in text:
            raise ValueError(f"contains NUL; no {of} does")
        if len(text) > longest:
            raise ValueError(f"is longer than {longest} characters")
        return text

    return parse


def flag(text: str) -> bool:
    if text.lower() in {"true", "1", ""}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    raise ValueError("must be true or false")


def _single(values: list[str]) -> str:
    if len(values) > 1:
        raise ValueError("is given more than once")
    return values[0]


def _unknown(name: str, known: Collection[str]) -> dict[str, str]:
    message = f"unknown parameter; known parameters are {', '.join(known)}"
    return {"parameter": name[:100], "message": message}
