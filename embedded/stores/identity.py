"""Chooses PostgreSQL's user: it can't be root, must own the folder and must reach the binaries."""

import os
import subprocess
from pathlib import Path

from embedded.supervision import launch
from embedded.supervision.processes import Program, StackError, launch_command


def choose(folder: Path, binary: Path) -> str | None:
    """The identity to launch `binary` with, None for the present one. It becomes `folder`'s owner.

    Root tries three identities in this order: a user namespace, in which all files still belong
    to root; an unprivileged user; an unprivileged user that may enter closed folders such as
    /root. Containers often forbid the first. Raises StackError if none works.
    """
    if os.geteuid() != 0:
        return None
    for identity in launch.IDENTITIES:
        _give(folder, (0, 0) if identity == "namespace" else launch.unprivileged_user())
        if _works(identity, folder, binary):
            return identity
    raise StackError(
        f"PostgreSQL does not run as root, and no other user can reach {folder} and {binary}: "
        "start as an ordinary user, or move the project to a folder that all users may enter "
        "(such as /opt)"
    )


def _give(folder: Path, owner: tuple[int, int]) -> None:
    if folder.stat().st_uid == owner[0]:
        return
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, *owner, follow_symlinks=False)


def _works(identity: str, folder: Path, binary: Path) -> bool:
    program = Program(
        name="probe", command=[str(binary), "--version"], identity=identity, folder=folder
    )
    return subprocess.run(launch_command(program), capture_output=True, check=False).returncode == 0
