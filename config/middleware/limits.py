"""What the rate limit and the owners of limits share. It imports nothing, as DRF is starting."""

from typing import NamedTuple


class Limit(NamedTuple):
    """The bucket of which a request takes a token, its size, and whose it is, for the error."""

    bucket: str
    per_minute: int
    whose: str
