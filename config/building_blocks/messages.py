"""Error messages in the form in which they are shown."""

_MAX_MESSAGE = 500


def brief(message: object) -> str:
    """The message, cut if it is long: some messages quote what was sent, which may be megabytes."""
    text = str(message)
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
