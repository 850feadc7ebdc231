"""Compares variants of the stack in one run: two runs may differ more than two variants."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from bench import stack
from bench.table import Found


class Variant(NamedTuple):
    """The settings with which the stack is started, besides its defaults."""

    name: str
    variables: Mapping[str, str]


# Measures a variant on a fresh stack: returns loads, and the figures of each load by name.
Measure = Callable[[stack.Stack, Variant], Iterable[tuple[str, Mapping[str, float]]]]


def interleaved(variants: Sequence[Variant], measure: Measure, *, rounds: int) -> Found:
    """Measure each variant once a round on its own stack, every other round in reverse order."""
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    for turn in range(rounds):
        for variant in variants if turn % 2 == 0 else reversed(variants):
            with stack.running(**variant.variables) as running:
                for load, figures in measure(running, variant):
                    found.setdefault(load, {v.name: [] for v in variants})
                    found[load][variant.name].append(figures)
                    say(f"round {turn + 1}, {variant.name}, {load}: {figures}")
    return found


def say(text: str) -> None:
    """Print progress to stderr, apart from the table."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
