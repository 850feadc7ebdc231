"""Admin pages for tables of millions of rows that nobody edits."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property

# How many rows a list counts and shows page by page; to reach later rows, filters are the better
# way. The last page costs as much as skipping this many rows of an index.
COUNTED_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Knows only the first COUNTED_ROWS rows, so that no page counts a whole table."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, COUNTED_ROWS)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than `count` says."""
        return self._counted > COUNTED_ROWS

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        counted: int = rows.order_by()[: COUNTED_ROWS + 1].count()
        return counted


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at, newest first. An index gives what a list shows."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the table
    sortable_by = ()
    actions: Sequence[str] | None = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the lookups that a filter of the page uses.

        Django lets every user filter by any column, with patterns too. A user could then search for
        the digest of a key, which no page shows, or run a slow pattern over a hundred megabytes.
        """
        filters: list[Any] = [one[0] if isinstance(one, tuple) else one for one in self.list_filter]
        names = [getattr(one, "parameter_name", one) for one in filters]
        forms = ("", "__exact", "__id__exact", "__isnull")
        return any(lookup == f"{name}{form}" for name in names for form in forms)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def as_uuid(text: str) -> UUID | None:
    """For searches: the text that someone typed as an id; None if it is not an id."""
    try:
        return UUID(text)
    except ValueError:
        return None
