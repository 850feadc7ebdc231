"""Commands of manage.py one after another in one process: to load the service takes a second.

Without a command, it reads the settings. A wrong one ends it with a sentence.
"""

import os
import shlex
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        _ = settings.INSTALLED_APPS  # reads all settings
        for line in sys.argv[1:]:
            # The first one that fails ends the process, as it ends manage.py.
            execute_from_command_line(["manage.py", *shlex.split(line)])
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
