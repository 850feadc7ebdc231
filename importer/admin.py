"""The admin's pages for imports: their progress, and a form to upload a file."""

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseRedirect,
)
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.text import Truncator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from config.admin.dates import DateDrillDown
from config.admin.tables import ReadOnlyAdmin
from config.api.problems import Problem
from events.storing.quota import QuotaReached
from importer.mapping import arguments
from importer.mapping.options import OptionError
from importer.mapping.presets import PRESETS
from importer.models import Import
from importer.reading.chunks import FileRefused
from importer.receiving import uploads
from importer.receiving.views import rejected_rows
from importer.tasks import import_soon
from projects.models import DEFAULT, Project

# Characters of an error in the list.
_SHOWN = 100


class UploadForm(forms.Form):
    """A file and how to read it; the fields are named like the options of `import_events`."""

    project = forms.ModelChoiceField(
        Project.objects.filter(deleted_at=None).order_by("slug"),
        initial=DEFAULT,
        empty_label=None,
        help_text="The project that gets the events.",
    )
    file = forms.FileField(
        help_text="CSV, TSV or JSON lines (plain, .gz, .zst or .zip), or Parquet."
    )
    preset = forms.ChoiceField(
        choices=[("", "none"), *((name, name) for name in PRESETS)],
        required=False,
        help_text="The tool that exported the file.",
    )
    map = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="On each line one field=column or properties.name=column.",
    )
    set = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="On each line one field=value. All rows get this value.",
    )
    id_from = forms.CharField(
        required=False, help_text="The columns to make event_id from, separated by commas."
    )
    time = forms.ChoiceField(
        choices=[
            ("", "ISO 8601 with an offset, or as the preset says"),
            ("utc", "ISO 8601 in UTC without an offset"),
            ("s", "seconds since 1970"),
            ("ms", "milliseconds since 1970"),
            ("us", "microseconds since 1970"),
        ],
        required=False,
        help_text="How occurred_at is written.",
    )
    rest = forms.ChoiceField(
        choices=[
            ("", "refuse them, or as the preset says"),
            ("properties", "put them into properties"),
            ("ignore", "ignore them"),
        ],
        required=False,
        help_text="What to do with columns that no field or property uses.",
    )
    encoding = forms.CharField(
        required=False, help_text="Such as latin-1. Leave it empty for UTF-8 and UTF-16."
    )
    # A tab is a valid delimiter, but Django would strip it.
    delimiter = forms.CharField(
        required=False,
        strip=False,
        max_length=2,
        help_text=r"The delimiter of CSV, \t for a tab. If it is empty, it is detected.",
    )
    max_errors = forms.CharField(
        required=False,
        help_text="Stop if more rows than this are bad: a number, or a percentage such as 5%.",
    )

    def given(self) -> dict[str, Any]:
        """The arguments of `importer.mapping.arguments`."""
        names = arguments.Arguments.__annotations__
        given = {name: value for name, value in self.cleaned_data.items() if name in names}
        for name in ("map", "set"):
            given[name] = given[name].split("\n") if given[name] else []
            given[name] = [line.strip() for line in given[name] if line.strip()]
        return {name: value for name, value in given.items() if value}


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = (
        *("path", "project", "state", "progress", "started_at", "file_size"),
        *("read", "bad", "problem"),
    )
    list_filter = (("started_at", DateDrillDown), "project", "state", "upload")
    list_select_related = ("project",)
    ordering = ("-started_at", "-id")
    search_fields = ("path",)
    search_help_text = "A part of the path"
    fields = (
        *("path", "project", "file_size", "state", "progress", "started_at", "finished_at"),
        *("read", "stored", "duplicates", "bad", "rejected", "error", "options", "key"),
    )

    @admin.display(description="size")
    def file_size(self, row: Import) -> str:
        return filesizeformat(row.size)

    @admin.display(description="error")
    def problem(self, row: Import) -> str:
        """The beginning; the page of the import has all of it."""
        return Truncator(row.error).chars(_SHOWN)

    @admin.display(description="progress")
    def progress(self, row: Import) -> str:
        if row.state == Import.State.DONE:
            return "100 %"
        return f"{row.position / row.size:.0%}".replace("%", " %") if row.size else ""

    @admin.display(description="rejected rows")
    def rejected(self, row: Import) -> str:
        if not (row.upload and row.rejected_path):
            return row.rejected_path
        link = reverse("admin:importer_import_rejected", args=[row.pk])
        return format_html('<a href="{}">download</a>', link)

    def get_urls(self) -> list[URLPattern]:
        """Adds a download of rejected rows: that of the API needs a key, which a browser lacks."""
        view = self.admin_site.admin_view(self.download_rejected)
        # Without csrf_exempt, `admin_view` would look for the CSRF token before the login, and so
        # read the body.
        add = csrf_exempt(self.admin_site.admin_view(csrf_exempt(self.add_view)))
        return [
            path("<uuid:pk>/rejected/", view, name="importer_import_rejected"),
            path("add/", add, name="importer_import_add"),
            *super().get_urls(),
        ]

    def download_rejected(self, request: HttpRequest, pk: UUID) -> FileResponse:
        row = self.get_object(request, str(pk))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        try:
            return rejected_rows(row or Import())
        except Problem as problem:
            raise Http404(problem.detail) from None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("importer.add_import"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form to upload a file. The body is read only after the checks of the user.

        Django looks for the CSRF token in the form, and so writes the whole file to disk. Here it
        does so only after the login (see `get_urls`), with the permission and if there is room.
        """
        if not self.has_add_permission(request):
            # Django's page for PermissionDenied looks for the token as well.
            return HttpResponseForbidden("You do not have permission to import files.")
        if refusal := _refusal(request):
            messages.error(request, refusal)
            return HttpResponseRedirect(reverse("admin:importer_import_add"))
        return self._form_page(request)

    @method_decorator(csrf_protect)
    def _form_page(self, request: HttpRequest) -> HttpResponse:
        form = UploadForm(request.POST or None, request.FILES or None)
        if form.is_valid() and (row := self._received(request, form)):
            said = f"Received {row}. A worker will import it."
            self.message_user(request, said, messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:importer_import_change", args=[row.pk]))
        fields = [(None, {"fields": list(form.fields)})]
        context = {
            **self.admin_site.each_context(request),
            "title": "Import a file",
            "opts": self.opts,
            "adminform": AdminForm(cast(Any, form), fields, {}, model_admin=self),
            "errors": form.errors,
        }
        return TemplateResponse(request, "admin/import_upload.html", context)

    def _received(self, request: HttpRequest, form: UploadForm) -> Import | None:
        file = form.cleaned_data["file"]
        try:
            row = uploads.receive(
                project=form.cleaned_data["project"].pk,
                stream=file,
                size=file.size,
                name=file.name,
                given=form.given(),
            )
        except (OptionError, FileRefused, uploads.UploadRefused, QuotaReached) as error:
            form.add_error(None, str(error))
            return None
        import_soon()
        return row


def _refusal(request: HttpRequest) -> str:
    """Why a file is not read at all; empty if it may be read."""
    if request.method != "POST":
        return ""
    try:
        uploads.require_room(int(request.headers.get("Content-Length") or 0))
    except uploads.UploadRefused as error:
        return f"Not accepted: {error}."
    return ""
