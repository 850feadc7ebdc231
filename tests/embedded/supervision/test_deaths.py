"""When a program that keeps dying is started again, and when no more."""

from embedded.supervision.deaths import MOST, PAUSES, WITHIN_SECONDS, Deaths


def test_the_first_start_is_at_once_and_each_pause_is_longer() -> None:
    deaths = Deaths()
    seen = []
    for _ in range(len(PAUSES) + 1):
        deaths.add(0, excused=True)
        seen.append(deaths.pause)
    assert seen == [0, 0.5, 1, 2, 5, 5]


def test_five_within_a_minute_are_too_many_and_five_over_more_are_not() -> None:
    deaths = Deaths()
    for number in range(100):
        deaths.add(number * WITHIN_SECONDS / (MOST - 1), excused=False)
        assert not deaths.too_many
    deaths.add(99 * WITHIN_SECONDS / (MOST - 1) + 1, excused=False)
    assert deaths.too_many


def test_excused_ones_count_for_the_pause_alone() -> None:
    deaths = Deaths()
    for _ in range(50):
        deaths.add(0, excused=True)
    assert not deaths.too_many
    assert deaths.pause == PAUSES[-1]


def test_after_a_quiet_minute_it_is_the_first_again() -> None:
    deaths = Deaths()
    for _ in range(MOST - 1):
        deaths.add(0, excused=False)
    deaths.add(WITHIN_SECONDS, excused=False)
    assert deaths.pause == 0
