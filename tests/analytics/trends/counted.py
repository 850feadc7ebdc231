"""The trend by brute force in plain Python, to compare ClickHouse's answers with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from analytics.trends.buckets import Bucket, Unit, buckets
from analytics.trends.measures import Number
from tests.analytics.oracle import Event, day

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SHARES = {"p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99}
ROLLING = {"users_7d": 7, "users_30d": 30}
_UNSET, _OTHERS = "\0unset", "\0others"


@dataclass(frozen=True)
class Asked:
    """What the trend is asked: `measure` is a name, and the key of a property or None."""

    start: date
    end: date
    unit: Unit
    measure: tuple[str, str | None]
    by: str | None
    top: int
    zone: str


# Series' value, whether it is all others, the number of the range, and those of the buckets.
Line = tuple[str | None, bool, Number, list[Number]]


def lines(events: Sequence[Event], asked: Asked, *, of: Asked | None = None) -> list[Line]:
    """The lines of a period; `of` is the one whose first values they have."""
    if asked.by is None:
        return [_line(events, asked, None, is_other=False)]
    main = of or asked
    first = _first_values(events, main)
    within = {_value(e, asked) for e in _in_range(events, main, wide=True)}
    if of:
        within |= {_value(e, asked) for e in _in_range(events, asked, wide=True)}
    found = []
    for value in first:
        chosen = [e for e in events if _value(e, asked) == value]
        found.append(_line(chosen, asked, value, is_other=False))
    if _UNSET in within:
        chosen = [e for e in events if _value(e, asked) == _UNSET]
        found.append(_line(chosen, asked, None, is_other=False))
    if within - {_UNSET, *first}:
        chosen = [e for e in events if _value(e, asked) not in (_UNSET, *first)]
        found.append(_line(chosen, asked, None, is_other=True))
    return found


def _first_values(events: Sequence[Event], asked: Asked) -> list[str]:
    groups: dict[str, list[Event]] = {}
    for event in _in_range(events, asked):
        if (value := _value(event, asked)) != _UNSET:
            groups.setdefault(value, []).append(event)
    name = "users" if asked.measure[0] in ROLLING else asked.measure[0]
    ranked = {
        value: _number(some, (name, asked.measure[1])).value for value, some in groups.items()
    }
    order = sorted(
        groups,
        key=lambda it: (
            ranked[it] is None,
            -Fraction(ranked[it] or 0),
            it.encode(),
        ),
    )
    return order[: asked.top]


def _line(events: Sequence[Event], asked: Asked, value: str | None, *, is_other: bool) -> Line:
    width = ROLLING.get(asked.measure[0])
    if asked.measure[0] == "new_users":
        events = _firsts(events)
    kind = "users" if width or asked.measure[0] == "new_users" else asked.measure[0]
    measure = kind, asked.measure[1]
    points = []
    for bucket in buckets(asked.unit, asked.start, asked.end, asked.zone):
        if width:
            last = date.fromisoformat(bucket.end)
            first = last - timedelta(days=width - 1)
            some = [e for e in events if first <= day(e, asked.zone) <= last]
        else:
            some = [e for e in _in_range(events, asked) if _is_in(e, bucket, asked)]
        points.append(_number(some, measure))
    return value, is_other, _number(_in_range(events, asked), measure), points


def _firsts(events: Sequence[Event]) -> list[Event]:
    """The first of each user."""
    found: dict[str, Event] = {}
    for event in sorted(events, key=lambda it: datetime.fromisoformat(it["occurred_at"])):
        found.setdefault(event["user_id"], event)
    return [*found.values()]


def _in_range(events: Sequence[Event], asked: Asked, *, wide: bool = False) -> list[Event]:
    before = ROLLING.get(asked.measure[0], 1) - 1 if wide else 0
    first = asked.start - timedelta(days=before)
    return [e for e in events if first <= day(e, asked.zone) <= asked.end]


def _is_in(event: Event, bucket: Bucket, asked: Asked) -> bool:
    if asked.unit != "hour":
        return bucket.start <= day(event, asked.zone).isoformat() <= bucket.end
    at = datetime.fromisoformat(event["occurred_at"])
    return datetime.fromisoformat(bucket.start) <= at < datetime.fromisoformat(bucket.end)


def _value(event: Event, asked: Asked) -> str:
    if asked.by == "event_type":
        return str(event["event_type"])
    found = event["properties"].get(asked.by)
    if found is None or isinstance(found, list | dict):
        return _UNSET
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return _float(found)
    return str(found)


def _float(value: float) -> str:
    """As ClickHouse writes it: all digits from 1e-6 to under 1e21, an exponent outside of that."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return re.sub(r"e([+-])0*", lambda sign: "e-" if sign[1] == "-" else "e", repr(value))


def _number(events: Sequence[Event], measure: tuple[str, str | None]) -> Number:
    name, key = measure
    if name in ("events", "users"):
        return Number(len(events) if name == "events" else len({e["user_id"] for e in events}))
    numbers = [n for e in events if (n := _numeric(e["properties"].get(key))) is not None]
    if name in ("sum", "avg"):
        added = [_millionths(n) for n in numbers if abs(float(n)) <= 1e30]
        value = _mean(added) if name == "avg" else _exact(sum(added))
        return Number(value, len(added), len(numbers) - len(added))
    doubles = sorted(map(float, numbers))
    return Number(_of(name, doubles) if doubles else None, len(doubles))


def _of(name: str, doubles: list[float]) -> float:
    if name in ("min", "max"):
        return doubles[0] if name == "min" else doubles[-1]
    return _percentile(doubles, _SHARES[name])


def _mean(millionths: list[int]) -> float | None:
    return sum(millionths) / (len(millionths) * 10**6) if millionths else None


def _numeric(value: Any) -> int | float | Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    match = _NUMBER.fullmatch(value)
    if not match or float(value) in (float("inf"), float("-inf")):
        return None
    is_whole = not match[2] and not match[3] and len(match[1]) <= 38
    return int(value) if is_whole else Decimal(value)


def _millionths(number: int | float | Decimal) -> int:
    if not isinstance(number, int) and abs(float(number)) < 2**53 // 10**6:
        return round(float(number) * 1e6)
    return round(Fraction(number) * 10**6)


def _exact(millionths: int) -> int | Decimal:
    whole = Fraction(millionths, 10**6)
    if whole.denominator == 1:
        return whole.numerator
    text = f"{abs(millionths) // 10**6}.{abs(millionths) % 10**6:06}".rstrip("0")
    return Decimal(text if millionths >= 0 else f"-{text}")


def _percentile(doubles: list[float], per_cent: int) -> float:
    """Linear, as numpy's default."""
    place = (len(doubles) - 1) * (per_cent / 100)
    low = int(place)
    high = min(low + 1, len(doubles) - 1)
    return doubles[low] + (doubles[high] - doubles[low]) * (place - low)
