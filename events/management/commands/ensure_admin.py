"""Makes the first admin user of a new installation."""

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model

from config.building_blocks.command import ServiceCommand


class Command(ServiceCommand):
    help = (
        "Make the user `admin` and write its password to a file, unless there is an administrator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password-file", type=Path, required=True)

    def handle(self, *args: Any, password_file: Path, **options: Any) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        # Write the file first: if this run is interrupted then, the next run makes both again.
        _write_private(password_file, password)
        users.create_superuser("admin", password=password)
        self.stdout.write(f"Admin user: admin, password: {password} (kept in {password_file})")


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(f"{text}\n")
