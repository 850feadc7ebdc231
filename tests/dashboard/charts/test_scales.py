"""Scales: round ticks around all values, and places between them."""

from decimal import Decimal
from math import log10

import pytest

from dashboard.charts.scales import Number, place, some, ticks


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0, 0, [0, 1]),
        (0, 1, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (0, 52, [0, 20, 40, 60]),
        (5, 100, [0, 25, 50, 75, 100]),
        (0, 10**12, [0, 2.5e11, 5e11, 7.5e11, 1e12]),
        (-30, 70, [-50, -25, 0, 25, 50, 75]),
        (-3, -1, [-3, -2, -1, 0]),
        (0, 0.3, [0, 0.1, 0.2, 0.3]),
        (0, Decimal("0.02"), [0, 0.005, 0.01, 0.015, 0.02]),
    ],
)
def test_ticks_are_round_and_hold_all_values(
    least: Number, most: Number, expected: list[float]
) -> None:
    assert ticks(least, most) == expected


@pytest.mark.parametrize("most", [10**n * k for n in range(13) for k in (1, 3, 7)])
def test_there_are_few_ticks_for_any_size(most: int) -> None:
    found = ticks(0, most)
    assert found[0] == 0
    assert found[-1] >= most
    assert 2 <= len(found) <= 6
    step = found[1]
    assert step / 10 ** int(log10(step)) in (1, 2, 2.5, 5)


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (0, 1e-9),
        (0, 5e-324),
        (-5e-324, 0),
        (0, 1e15),
        (0, 1.7e308),
        (-1.7e308, 1.7e308),
        (0, 10**30),
    ],
)
def test_the_smallest_and_the_largest_numbers_have_places(least: Number, most: Number) -> None:
    found = ticks(least, most)
    assert 2 <= len(found) <= 6
    assert len({*found}) == len(found)
    assert found[0] <= least
    assert most <= found[-1]
    places = [place(it, found[0], found[-1]) for it in (*found, least, most)]
    assert all(0 <= it <= 100 for it in places)
    assert (places[0], places[len(found) - 1]) == (0, 100)


def test_places_are_in_per_cent_from_the_lowest_tick() -> None:
    assert [place(it, -50, 50) for it in (-50, 0, 25, 50)] == [0, 50, 75, 100]


def test_some_are_evenly_spaced_from_the_first_on() -> None:
    assert some("abcdefg", 3) == [(0, "a"), (3, "d"), (6, "g")]
    assert some("ab", 6) == [(0, "a"), (1, "b")]
