"""A chart of lines over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from dashboard.charts.scales import Number, place, some, ticks
from dashboard.numbers import short, whole

HEIGHT = 220
_MOST_LABELS = 6
# The lines have this width, which is then stretched to that of the page.
_WIDTH = 1_000


class Point(NamedTuple):
    """`label` is shown below, `title` beside the pointer. Not complete: it still runs."""

    label: str
    title: str
    value: Number | None
    link: str = ""
    is_complete: bool = True


class Line(NamedTuple):
    """`tone` is the number of its colour; 0 is that of what is only compared with."""

    name: str
    points: Sequence[Point]
    tone: int = 1


class Tick(NamedTuple):
    """A label at a place, in per cent of the chart."""

    text: str
    at: float


@dataclass(frozen=True)
class Drawn:
    """A line as paths: whole where it is complete, and dashed where it still runs."""

    name: str
    tone: int
    solid: str
    dashed: str
    dots: Sequence[tuple[float, float]]


class Column(NamedTuple):
    """The points of all lines at one place: where the pointer finds them."""

    at: float
    left: float
    width: float
    title: str
    link: str
    values: Sequence[tuple[str, str, int, float]]


@dataclass(frozen=True)
class Chart:
    lines: Sequence[Drawn]
    columns: Sequence[Column]
    across: Sequence[Tick]
    up: Sequence[Tick]
    height: int = HEIGHT
    width: int = _WIDTH
    is_empty: bool = field(default=False)


def chart(lines: Sequence[Line]) -> Chart:
    """All lines have as many points as the first, one above the other."""
    count = len(lines[0].points)
    values = [point.value for line in lines for point in line.points if point.value is not None]
    marks = ticks(min(values, default=0), max(values, default=0))
    low, high = marks[0], marks[-1]
    places = [place(n + 0.5, 0, count) for n in range(count)]
    return Chart(
        lines=[_drawn(line, places, low, high) for line in lines],
        columns=[_column(lines, n, places[n], 100 / count, low, high) for n in range(count)],
        across=[Tick(it.label, places[n]) for n, it in some(lines[0].points, _MOST_LABELS)],
        up=[Tick(short(mark), round(100 - place(mark, low, high), 3)) for mark in marks],
        is_empty=not any(values),
    )


def _drawn(line: Line, places: Sequence[float], low: float, high: float) -> Drawn:
    spots = [
        (at, None if point.value is None else 100 - place(point.value, low, high), point)
        for at, point in zip(places, line.points, strict=True)
    ]
    solid, dashed, alone = [], [], []
    for is_there, group in groupby(spots, key=lambda spot: spot[1] is not None):
        run = list(group)
        if not is_there:
            continue
        whole_ones = [(at, up) for at, up, point in run if point.is_complete and up is not None]
        running = [(at, up) for at, up, point in run if not point.is_complete and up is not None]
        solid.append(_path(whole_ones))
        dashed.append(_path([*whole_ones[-1:], *running]) if running else "")
        # One point makes no line.
        if len(run) == 1 and run[0][1] is not None:
            alone.append((run[0][0], run[0][1]))
    return Drawn(line.name, line.tone, "".join(solid), "".join(dashed), alone)


def _path(spots: Sequence[tuple[float, float]]) -> str:
    if len(spots) < 2:
        return ""
    texts = (f"{at * _WIDTH / 100:.1f},{up * HEIGHT / 100:.1f}" for at, up in spots)
    return "M" + "L".join(texts)


def _column(
    lines: Sequence[Line], n: int, at: float, width: float, low: float, high: float
) -> Column:
    first = lines[0].points[n]
    values = [
        (line.name, whole(it.value), line.tone, round(100 - place(it.value, low, high), 3))
        for line in lines
        if (it := line.points[n]).value is not None
    ]
    return Column(at, round(at - width / 2, 3), round(width, 3), first.title, first.link, values)
