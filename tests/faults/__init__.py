"""The fault suite: the whole service under load while its parts die, then every event counted."""
