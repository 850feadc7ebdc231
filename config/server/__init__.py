"""What takes requests in: the event loop, bodies and their room, answers on their way out."""

import os

# A process that begins here, as the web server's do, reads settings before Django is set up.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
