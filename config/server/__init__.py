"""The web server's part: the event loop, bodies and room for them, and the sending of answers."""

import os

# The web server's processes start here, and read the settings before Django is set up.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
