"""What the forms of the settings take. What they would do is checked by the services."""

from django import forms

from projects.models import ApiKey
from projects.scopes import INGEST, Role


class KeyForm(forms.Form):
    name = forms.CharField(max_length=100)
    scopes = forms.MultipleChoiceField(choices=ApiKey.Scope.choices, initial=[INGEST])


class MemberForm(forms.Form):
    who = forms.CharField(max_length=254, label="User")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)


class RoleForm(forms.Form):
    """Of a member who is there."""

    role = forms.ChoiceField(choices=Role.choices)


class ZoneForm(forms.Form):
    time_zone = forms.CharField(max_length=64)
