"""What `/metrics` shows."""

import re

from django.test import Client


def samples(client: Client) -> dict[str, float]:
    """Values by name and labels."""
    text = client.get("/metrics").content.decode()
    found = re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}
