"""The members of a project: add one, change the role of one, remove one."""

from typing import TypeVar

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from projects.models import Membership, Project
from projects.of_request import NONE
from projects.scopes import Role

_Row = TypeVar("_Row", bound=Model)
_NOBODY = (
    "There is no active user with this name or email address, or there are several with this "
    "address. Users are made in the admin."
)


class Refused(Exception):
    """The text says to a person why nothing was changed."""


class NoSuchMember(Refused):
    """Nobody in this project has the membership: it is another project's, or it is gone."""

    def __init__(self) -> None:
        super().__init__("There is no such member of this project any more.")


def listed(project: int) -> QuerySet[Membership]:
    """With their users, in the order of their names."""
    return (
        Membership.objects.filter(project=project)
        .select_related("user")
        .order_by("user__username", "pk")
    )


def add(project: Project, who: str, role: str) -> Membership:
    """Make the user with this name or email address a member. Raises Refused."""
    with transaction.atomic():
        user = _user(who)
        if not _there(Project).filter(pk=project.pk, deleted_at=None).exists():
            raise Refused(NONE)
        try:
            with transaction.atomic():
                return Membership.objects.create(user=user, project=project, role=Role(role))
        except IntegrityError:
            raise Refused(f"{user.get_username()} is already a member of the project.") from None


def change_role(project: Project, pk: int, role: str, *, by: User) -> Membership:
    """Raises NoSuchMember, and Refused where it would leave the project without an admin."""
    with transaction.atomic():
        found = _locked(project, pk)
        if role != Role.ADMIN:
            _require_another_admin(found, by)
        found.role = Role(role)
        found.save(update_fields=["role"])
    return found


def remove(project: Project, pk: int, *, by: User) -> Membership:
    """Raises NoSuchMember, and Refused where it would leave the project without an admin."""
    with transaction.atomic():
        found = _locked(project, pk)
        _require_another_admin(found, by)
        Membership.objects.filter(pk=pk).delete()
    return found


def _user(who: str) -> User:
    """The active user of this name, or the only one of this email address. Raises Refused.

    It is not told which is wrong: an admin of a project could find out who uses the service.
    """
    users = _there(User).filter(is_active=True)
    found = users.filter(username=who).first()
    if found is None and "@" in who:
        named = list(users.filter(email__iexact=who)[:2])
        found = named[0] if len(named) == 1 else None
    if found is None:
        raise Refused(_NOBODY)
    return found


def _there(model: type[_Row]) -> QuerySet[_Row]:
    """Rows of the table. Those that are read are not deleted until the transaction ends."""
    return model._default_manager.select_for_update(no_key=True)


def _locked(project: Project, pk: int) -> Membership:
    """The row. It and those of the admins stay as they are until the transaction ends.

    Or two admins could remove each other at once.
    """
    rows = Membership.objects.filter(project=project).select_for_update(of=("self",))
    list(rows.filter(role=Role.ADMIN).order_by("pk"))
    found = rows.select_related("user").filter(pk=pk).first()
    if found is None:
        raise NoSuchMember
    return found


def _require_another_admin(leaving: Membership, by: User) -> None:
    """A superuser is an admin of every project, so they may leave it without a member who is."""
    if leaving.role != Role.ADMIN or by.is_superuser:
        return
    others = Membership.objects.filter(
        project=leaving.project_id, role=Role.ADMIN, user__is_active=True
    )
    if not others.exclude(pk=leaving.pk).exists():
        raise Refused("The project would have no admin. Make somebody else an admin first.")
