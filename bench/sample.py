"""Generated events like those of a web shop's pages, the same for every run."""

import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

TYPES = ("page_view",) * 6 + ("click",) * 3 + ("add_to_cart", "purchase", "signup")
COUNTRIES = ("UA", "US", "DE", "PL", "GB", "FR", "BR", "IN")

# Makes an id from a random generator and the event's time in milliseconds.
MakeId = Callable[[random.Random, int], uuid.UUID]


def random_id(chance: random.Random, milliseconds: int) -> uuid.UUID:
    return uuid.UUID(int=chance.getrandbits(128), version=4)


def ordered_id(chance: random.Random, milliseconds: int) -> uuid.UUID:
    """A UUIDv7: the time, then random bits."""
    bits = milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64
    return uuid.UUID(int=bits | 2 << 62 | chance.getrandbits(62))


def events(
    count: int,
    *,
    seed: int = 1,
    users: int = 10_000,
    days: float = 7.0,
    end: datetime | None = None,
    make_id: MakeId = random_id,
) -> Iterator[dict[str, Any]]:
    """`count` events spread over the `days` before `end` (now), by about `users` users."""
    chance = random.Random(seed)  # noqa: S311
    last = end or datetime.now(UTC)
    for number in range(count):
        occurred = last - timedelta(days=days * (1 - number / count))
        yield {
            "event_id": str(make_id(chance, int(occurred.timestamp() * 1000))),
            "occurred_at": occurred.isoformat(timespec="milliseconds"),
            "user_id": f"user-{chance.randrange(users)}",
            "event_type": chance.choice(TYPES),
            "properties": {
                "country": chance.choice(COUNTRIES),
                "plan": chance.randrange(5),
                "page": {"section": f"s{chance.randrange(20)}", "path": f"/p/{number % 997}"},
                "price": chance.randrange(10_000) / 100,
            },
        }


def bodies(count: int, *, size: int, **kwargs: Any) -> list[bytes]:
    """Ready request bodies of `size` events each."""
    stream = list(events(count, **kwargs))
    return [
        json.dumps({"events": stream[start : start + size]}, separators=(",", ":")).encode()
        for start in range(0, count, size)
    ]
