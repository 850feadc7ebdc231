"""Names between dots and items between commas, where a backslash escapes a character."""

import re

_ESCAPED_OR_END = re.compile(r"\\(.?)|([.:=])", re.DOTALL)
_ESCAPED_OR_COMMA = re.compile(r"\\(.?)|,", re.DOTALL)
_OF_NAMES, _OF_ITEMS = re.compile(r"[.:=\\]"), re.compile(r"[,\\]")


class WrongText(ValueError):
    """What is wrong with a text, and the index of the character where it is."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(f"{message} (at character {index + 1})")


def names_in(text: str, start: int, *, offset: int = 0) -> tuple[list[str], int]:
    """The names in a dotted field from `start` on, without escapes, and the index of what ends it.

    The text begins at `offset` of a longer one, in which errors count. Raises WrongText.
    """
    names, name = [], ""
    for match in _ESCAPED_OR_END.finditer(text, start):
        escaped, delimiter = match.groups()
        name += text[start : match.start()]
        start = match.end()
        if escaped is not None:
            if escaped not in (".", ":", "=", "\\"):
                message = "in a key, a backslash may only stand before . : = or \\"
                raise WrongText(message, offset + match.start())
            name += escaped
            continue
        names.append(name)
        name = ""
        if delimiter != ".":
            return names, match.start()
    return [*names, name + text[start:]], len(text)


def items_in(text: str, begin: int) -> list[tuple[str, int]]:
    """The parts between commas, without escapes, each with the index where it begins.

    The text begins at `begin` of a longer one, in which indexes and errors count. Raises WrongText.
    """
    items, item, start, at = [], "", 0, 0
    for match in _ESCAPED_OR_COMMA.finditer(text):
        item += text[start : match.start()]
        start = match.end()
        if (escaped := match[1]) is None:
            items.append((item, begin + at))
            item, at = "", start
        elif escaped in (",", "\\"):
            item += escaped
        else:
            message = "in a list, a backslash may only stand before , or \\"
            raise WrongText(message, begin + match.start())
    return [*items, (item + text[start:], begin + at)]


def written_name(name: str) -> str:
    """The name as `names_in` reads it."""
    return _OF_NAMES.sub(r"\\\g<0>", name)


def written_item(item: str) -> str:
    """The item as `items_in` reads it."""
    return _OF_ITEMS.sub(r"\\\g<0>", item)
