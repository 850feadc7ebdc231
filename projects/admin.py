"""The admin's pages for members, and for API keys: make one, show its secret once, revoke it."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from structlog import get_logger

from config.admin.outcomes import Outcome
from config.admin.tables import ReadOnlyAdmin
from projects import keys
from projects.models import ApiKey, Membership

log = get_logger(__name__)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    """The members of a project, on its page."""

    model = Membership
    fields = ("user", "role")
    extra = 0


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("user", "project", "role")
    list_filter = ("project", "role")
    list_select_related = ("user", "project")
    search_fields = ("user__username",)
    ordering = ("user__username", "project")
    fields = ("user", "project", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # Another person in another project is another membership, with a history of its own.
        return ("user", "project") if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("projects.add_membership"))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("projects.change_membership"))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm("projects.delete_membership"))


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("project", "name", "scopes", "expires_at", "rate_limit_per_minute")

    def clean_expires_at(self) -> datetime | None:
        """An expired key may keep its moment when something else of it changes."""
        moment: datetime | None = self.cleaned_data["expires_at"]
        if moment and "expires_at" in self.changed_data and moment <= datetime.now(UTC):
            raise ValidationError("This moment is past; the key would open nothing.")
        return moment

    def clean(self) -> dict[str, Any] | None:
        """Check here what `keys.make` would refuse, so that the form shows the errors."""
        cleaned = super().clean()
        name = self.cleaned_data.get("name")
        others = ApiKey.objects.filter(revoked_at=None).exclude(pk=self.instance.pk)
        project = self.cleaned_data.get("project", self.instance.project)
        if others.filter(name=name, project=project).exists():
            self.add_error("name", "A key that is not revoked has this name; revoke it first.")
        if self.instance.pk is None and project:
            self._check_room(project.pk)
        return cleaned

    def _check_room(self, project: int) -> None:
        try:
            keys.check_room(project)
        except keys.TooManyKeys as error:
            self.add_error(None, f"{error}.")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "project",
        "prefix",
        "scopes",
        "state",
        "limit",
        "expires_at",
        "last_used_at",
    )
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("name", "prefix")
    ordering = ("-pk",)
    form = ApiKeyForm
    readonly_fields = ("prefix", "state", "created_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The fields of the form and, for an existing key, all other columns except `digest`."""
        return dict.fromkeys((*ApiKeyForm.Meta.fields, *self.get_readonly_fields(request, obj)))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # A key of another project would send its clients' events there.
        return ("project", *self.readonly_fields) if obj else ()

    @admin.display(description="requests a minute", empty_value="")
    def limit(self, row: ApiKey) -> int | None:
        return row.rate_limit_per_minute

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("projects.add_apikey"))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        may = bool(request.user.has_perm("projects.change_apikey"))
        return may and not (isinstance(obj, ApiKey) and obj.revoked_at)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Try again if a key of the same name was saved after the check of the form (double click).

        The second try shows the error in the form.
        """
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (IntegrityError, ValidationError):
            return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            # Only the changed fields: the key may have been revoked since the form was opened.
            obj.save(update_fields=form.changed_data)
        else:
            obj.secret = keys.make(obj)
            log.info("api_key_made", key=obj.pk, by=request.user.get_username())

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Show the secret, only in this answer: a redirect would have to keep it in the session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new API key",
            "opts": self.opts,
            "key": obj,
            "command": _command(request, obj),
        }
        return TemplateResponse(request, "admin/api_key_made.html", context)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> HttpResponse | None:
        outcome = Outcome("revoke_api_keys", request.user)
        for row in rows:
            if keys.revoke(row):
                outcome.done += 1
                self.log_change(request, row, "Revoked.")
            else:
                outcome.fault(f"{row} is already revoked")
        outcome.tell(request, f"{outcome.done} revoked. After 5 seconds no process accepts them.")
        return None


def _command(request: HttpRequest, key: Any) -> str:
    """A curl command that tries the key and stores nothing."""
    url, header = request.build_absolute_uri("/events"), f"-H 'Authorization: Bearer {key.secret}'"
    if ApiKey.Scope.INGEST in key.scopes:
        return f"curl '{url}' {header} -H 'Content-Type: application/json' -d '[]'"
    return f"curl '{url}?limit=1' {header}"
