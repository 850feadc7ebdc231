"""Numbers in segments: those of JSON that a property can hold."""

import math
import re
from decimal import Decimal

_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?:[eE]([+-]?[0-9]+))?")
# The same as patterns in SQL, of any number and of a whole one that 128 bits can hold.
NUMBER_SQL = r"'^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'"
WHOLE_SQL = r"'^-?(0|[1-9][0-9]{0,37})$'"
# A larger exponent of a number that a double holds belongs to 0, and a smaller one to a number
# that is as good as this small. Decimal refuses some of 20 digits.
_EXPONENT = 1_000_000


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def exact(text: str) -> Decimal:
    """The number, if `is_number`."""
    match = _NUMBER.fullmatch(text)
    assert match
    digits = (match[2] or "0")[:20]  # int() refuses thousands of digits
    exponent = min(max(int(digits), -_EXPONENT), _EXPONENT)
    return Decimal(f"{match[1]}e{exponent}")
