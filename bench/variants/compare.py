"""Variants of the stack compared in one run, since two runs differ by more than variants may."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from bench import stack
from bench.table import Found


class Variant(NamedTuple):
    """What the stack is started with beside its defaults."""

    name: str
    variables: Mapping[str, str]


# What a variant measures on a fresh stack: loads, and the figures of each by their names.
Measure = Callable[[stack.Stack, Variant], Iterable[tuple[str, Mapping[str, float]]]]


def interleaved(variants: Sequence[Variant], measure: Measure, *, rounds: int) -> Found:
    """Each variant once a round on a stack of its own, every other round in the opposite order."""
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
    """What goes on meanwhile, beside the table."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
