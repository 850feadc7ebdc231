"""Shares of users, in per cent."""


def percent(part: int, whole: int) -> float:
    """`part` as a percentage of `whole`, rounded half up to one decimal.

    Computed in whole numbers: with floats, a half may be rounded up or down.
    """
    return (2000 * part + whole) // (2 * whole) / 10
