"""Admin pages for tables of millions of rows that nobody edits."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property

# Rows that a list counts and lets one leaf through; past that, filters are the better way. The
# last page then costs as much as skipping this many rows of an index.
COUNTED_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Knows the first COUNTED_ROWS rows and no others, so that no page counts a whole table."""

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
    """Rows to be looked at, newest first; what a list shows comes from an index."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the table
    sortable_by = ()
    actions: Sequence[str] | None = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what a filter of the page asks for.

        Django lets everyone filter by any column of the table, by a pattern too: by the digest of
        a key, which no page shows, or for as long as a pattern takes in a hundred megabytes.
        """
        filters: list[Any] = [one[0] if isinstance(one, tuple) else one for one in self.list_filter]
        names = [getattr(one, "parameter_name", one) for one in filters]
        return any(lookup in (name, f"{name}__exact", f"{name}__isnull") for name in names)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def as_uuid(text: str) -> UUID | None:
    """For searches: the id that someone typed, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
