"""Commands of manage.py one after another in one process: to load the service takes a second."""

import os
import shlex
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    for line in sys.argv[1:]:
        # The first one that fails ends the process, as it ends manage.py.
        execute_from_command_line(["manage.py", *shlex.split(line)])
