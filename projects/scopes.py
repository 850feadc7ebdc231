"""What a request may do: the scopes of API keys, and those that a role gives to a person.

It imports no model, because `projects.models` needs it.
"""

from django.db.models import TextChoices

READ = "read"
INGEST = "ingest"
# Save views of the dashboard, and share them.
EDIT = "edit"
# Keys, settings and erasures.
ADMIN = "admin"
# Any key and any person will do.
ANY = "any"


class Role(TextChoices):
    """What a person is in a project, the least first."""

    VIEWER = "viewer", "viewer: looks at events and reports"
    EDITOR = "editor", "editor: also saves views and shares them"
    ADMIN = "admin", "admin: also sends events and files, has keys, settings and erasures"


_LOOKS = frozenset({READ})
_EDITS = _LOOKS | {EDIT}
OF_ROLE: dict[str, frozenset[str]] = {
    Role.VIEWER: _LOOKS,
    Role.EDITOR: _EDITS,
    Role.ADMIN: _EDITS | {INGEST, ADMIN},
}
# What everybody may do where no key is required. The rest needs a person or a key there too:
# a stranger in the network could otherwise erase people.
OF_EVERYBODY = frozenset({READ, INGEST, EDIT, ANY})


def least_role(scope: str) -> str:
    """The first role that has the scope."""
    return next(role.value for role in Role if scope in OF_ROLE[role])
