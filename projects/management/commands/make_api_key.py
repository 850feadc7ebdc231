"""Makes an API key without the admin. Only the secret goes to standard output."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from config.building_blocks.command import ServiceCommand, invalid
from projects import keys
from projects.management.project_option import add_project, project_of
from projects.models import ApiKey

# What the faults of a field are called.
_NAMES = {"name": "the name", "rate_limit_per_minute": "--limit", "expires_at": "--days"}


class Command(ServiceCommand):
    help = (
        "Make an API key and print its secret. The secret is shown only now, because the service"
        " stores only a digest of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", help="who or what uses the key; only revoked keys may have the same name"
        )
        add_project(parser)
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=ApiKey.Scope.values,
            help="ingest: send events and files; read: look at events and reports; may be repeated",
        )
        parser.add_argument("--days", type=_positive, help="days until it expires; default: never")
        parser.add_argument(
            "--limit",
            type=_positive,
            help="requests a minute with this key; default: the limit of the client's address",
        )

    def handle(self, *args: Any, name: str, scope: list[str], **options: Any) -> None:
        days = options["days"]
        row = ApiKey(
            project_id=project_of(options),
            name=name,
            scopes=sorted(set(scope)),
            expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
            rate_limit_per_minute=options["limit"],
        )
        try:
            secret = keys.make(row)
        except ValidationError as error:
            raise invalid(error, _NAMES) from None
        except keys.TooManyKeys as error:
            raise CommandError(f"{error}.") from None
        self.stdout.write(secret)


def _positive(text: str) -> int:
    """A number of days or of requests a minute, up to a million. Raises ArgumentTypeError."""
    digits = text.lstrip("0")[:8]
    if not (text.isascii() and text.isdigit() and 0 < int(digits or 0) <= 1_000_000):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000000")
    return int(digits)
