"""The HTTP endpoints of `/events`."""
