"""The base of the service's own commands."""

import gc
import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import BaseCommand, CommandError

from config.building_blocks import unreachable

# They warn of each attempt to connect. The command itself says why it failed.
_ATTEMPTS = ("psycopg.pool", "urllib3.connectionpool", "clickhouse_connect")


class ServiceCommand(BaseCommand):
    """Starts without Django's system checks, which load every page: 0.3 s of CPU and more.

    They check the code, not the data of a command. `migrate` and `check` run them.
    """

    requires_system_checks = ()
    _from_argv = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as the command of this process, from its command line.

        If a store can't be reached, it ends with a sentence instead of a traceback.
        """
        # What is loaded by now stays. To look for garbage in it at the end would take 0.2 s of CPU.
        gc.freeze()
        for name in _ATTEMPTS:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._from_argv = True
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Exception as error:
            if self._from_argv and (said := unreachable.sentence(error)):
                raise CommandError(said) from error
            raise


def invalid(error: ValidationError, names: Mapping[str, str]) -> CommandError:
    """What is wrong with the fields of a row, each with the name that it has for the command."""
    if not hasattr(error, "error_dict"):
        return CommandError(" ".join(error.messages))
    faults = {
        names.get(field, field): " ".join(messages)
        for field, messages in error.message_dict.items()
    }
    said = faults.pop(NON_FIELD_ERRORS, "")
    return CommandError(" ".join([*(f"{name}: {fault}" for name, fault in faults.items()), said]))
