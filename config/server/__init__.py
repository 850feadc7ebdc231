"""Takes requests in and sends answers: the event loop, request bodies and their room."""

import os

# The web server's processes start here, and read the settings before Django is set up.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The value, in the environ, of a header that is not ASCII.
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
