"""Lines as paths: as many points as values, gaps, ends that still run, and lone points."""

import re
from collections.abc import Sequence

from dashboard.charts.bars import bars
from dashboard.charts.lines import Chart, Line, Point, chart
from dashboard.charts.scales import Number
from dashboard.numbers import Change


def drawn(values: Sequence[Number | None], running: int = 0) -> Chart:
    count = len(values)
    points = [
        Point(f"l{n}", f"t{n}", value, f"/{n}", is_complete=n < count - running)
        for n, value in enumerate(values)
    ]
    return chart([Line("a", points)])


def spots(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+),([-\d.]+)", path)]


def test_a_line_has_as_many_points_as_values_between_the_edges() -> None:
    [line] = drawn([0, 5, 10]).lines
    assert spots(line.solid) == [(166.7, 220.0), (500.0, 110.0), (833.3, 0.0)]
    assert line.dashed == ""
    assert line.dots == []


def test_what_still_runs_is_dashed_from_the_last_whole_point_on() -> None:
    [line] = drawn([1, 2, 3], running=1).lines
    assert len(spots(line.solid)) == 2
    assert spots(line.dashed)[0] == spots(line.solid)[-1]
    assert len(spots(line.dashed)) == 2


def test_a_gap_parts_a_line_and_a_lone_point_is_a_dot() -> None:
    [line] = drawn([1, 2, None, 3]).lines
    assert line.solid.count("M") == 1
    assert len(line.dots) == 1
    assert [len(column.values) for column in drawn([1, 2, None, 3]).columns] == [1, 1, 0, 1]


def test_one_point_alone_and_nothing_at_all_can_be_drawn() -> None:
    [line] = drawn([7]).lines
    assert (line.solid, line.dots) == ("", [(50.0, 12.5)])
    empty = drawn([0, 0, 0])
    assert empty.is_empty
    assert [tick.text for tick in empty.up] == ["0", "1"]
    assert drawn([None, None]).lines[0].solid == ""


def test_values_below_zero_and_huge_ones_stay_within_the_chart() -> None:
    for values in ([-5, 0, 5], [0, 10**12], [-(10**12), 10**12]):
        for _, y in spots(drawn(values).lines[0].solid):
            assert 0 <= y <= 220
    assert drawn([0, 10**12]).up[-1].text == "1T"


def test_columns_cover_the_whole_width_and_lead_somewhere() -> None:
    columns = drawn([1, 2, 3, 4]).columns
    assert [(it.left, it.width) for it in columns] == [(0, 25), (25, 25), (50, 25), (75, 25)]
    assert [it.link for it in columns] == ["/0", "/1", "/2", "/3"]


def test_bars_are_shares_of_the_longest() -> None:
    same = Change("", "same")
    rows = [("a", 4, "", same), ("", 1, "", same), ("c", 0, "", same), ("d", None, "", same)]
    assert [(it.name, it.text, it.share) for it in bars(rows)] == [
        ("a", "4", 100),
        ("(empty)", "1", 25),
        ("c", "0", 0),
        ("d", "\u2013", 0),
    ]
    assert bars([]) == []
    assert [it.share for it in bars([("less", -2, "", same)])] == [0]
