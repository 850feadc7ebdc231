"""Messages of errors, as they are shown."""

_MAX_MESSAGE = 500


def brief(message: object) -> str:
    """A message within bounds: some quote what was sent, which may be megabytes."""
    text = str(message)
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
