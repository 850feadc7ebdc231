"""The members of a project as its settings show them."""

from typing import Any, NamedTuple

from projects import members
from projects.models import Membership, Project


class Wrong(NamedTuple):
    """What was asked of a row and not done: its number, why, and the role that was chosen."""

    row: int
    said: str
    role: str


def members_of(
    project: Project, *, has_email: bool, wrong: Wrong | None = None
) -> list[dict[str, Any]]:
    """Names and roles. Email addresses are for those who may add members."""
    return [_member(row, has_email, wrong) for row in members.listed(project.pk)]


def _member(row: Membership, has_email: bool, wrong: Wrong | None) -> dict[str, Any]:
    is_wrong = wrong is not None and wrong.row == row.pk
    return {
        "pk": row.pk,
        "name": row.user.get_username(),
        "email": row.user.email if has_email else "",
        "is_active": row.user.is_active,
        "role": row.role,
        "chosen": wrong.role if wrong and is_wrong and wrong.role else row.role,
        "said": wrong.said if wrong and is_wrong else "",
    }
