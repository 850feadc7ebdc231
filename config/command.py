"""The base of the service's own commands."""

from django.core.management.base import BaseCommand


class ServiceCommand(BaseCommand):
    """Starts without Django's system checks, which load every page: 0.3 s of CPU and more.

    They judge the code, not what the command works on. `migrate` and `check` make them.
    """

    requires_system_checks = ()
