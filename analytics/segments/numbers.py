"""What a number is: one of JSON that a double can hold, also in a text.

Segments and measures agree about it. A text beyond all doubles, such as 1e400, is no number.
"""

import math
import re
from decimal import Decimal

_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?:[eE]([+-]?[0-9]+))?")
# The same as patterns in SQL, of any number and of a whole one that 128 bits can hold.
_NUMBER_SQL = r"'^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'"
WHOLE_SQL = r"'^-?(0|[1-9][0-9]{0,37})$'"
# A larger exponent of a number that a double holds belongs to 0, and a smaller one to a number
# that is as good as this small. Decimal refuses some of 20 digits.
_EXPONENT = 1_000_000


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def double_in(text: str) -> str:
    """SQL of the number, as a double, that a text is; NULL if it is none or NULL itself.

    `text` is SQL of a text that may be NULL.
    """
    double = f"toFloat64OrNull({text})"
    is_number = f"match(assumeNotNull({text}), {_NUMBER_SQL}) AND isFinite({double})"
    return f"if(isNotNull({text}) AND {is_number}, {double}, NULL)"


def exact(text: str) -> Decimal:
    """The number, if `is_number`."""
    match = _NUMBER.fullmatch(text)
    assert match
    digits = (match[2] or "0")[:20]  # int() refuses thousands of digits
    exponent = min(max(int(digits), -_EXPONENT), _EXPONENT)
    return Decimal(f"{match[1]}e{exponent}")
