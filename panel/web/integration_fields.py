"""The kinds of fields of the form of an integration."""

from typing import Any

from django import forms

from deployers.models import AwsAccount
from integrations.models import Repository


class ParametersField(forms.JSONField):
    """Parameters as JSON. Nothing is shown as an empty field: Django shows `null`, which is no object."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class RepositoryField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Repository) -> str:
        return f"{obj.full_name} ({obj.provider})"


class AccountField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: AwsAccount) -> str:
        return f"{obj.name} ({obj.account_id})" if obj.account_id else obj.name


class GlobsField(forms.CharField):
    """Patterns separated by commas; cleans to a list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> list[str]:
        return [glob.strip() for glob in super().clean(value).split(",") if glob.strip()]
