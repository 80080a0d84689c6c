"""The form of an integration: from a repository, by a method, to an account."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet

from deployers.models import AwsAccount
from integrations.models import Integration, Method, Repository
from panel.web.regions import RegionField

METHOD_LABELS = (
    (Method.ZIP_DOWNLOAD, "Zip download: the provider's own archive, over HTTPS with the provider's token"),
    (Method.GIT_PULL, "Git pull: a shallow fetch over SSH with a deploy key made in your AWS account"),
)


class RepositoryField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Repository) -> str:
        return f"{obj.full_name} ({obj.provider})"


class AccountField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: AwsAccount) -> str:
        return f"{obj.name} ({obj.account_id})" if obj.account_id else obj.name


class IntegrationForm(forms.Form):
    """What the services take. What is fixed once a stack exists is left out when editing."""

    repository = RepositoryField(queryset=Repository.objects.none())
    method = forms.ChoiceField(
        label="How a commit becomes a zip", choices=METHOD_LABELS, widget=forms.RadioSelect, initial=Method.ZIP_DOWNLOAD
    )
    refs = forms.CharField(
        label="Branches and tags to mirror",
        initial="**",
        help_text="Separated by commas: main, release/*, tags:v*. One * stays within a slash, ** does not.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    aws_account = AccountField(label="AWS account", queryset=AwsAccount.objects.none())
    region = RegionField()
    name = forms.CharField(
        max_length=60,
        help_text="Lower-case letters, digits and hyphens. Names the stack too.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    application = forms.CharField(max_length=60, help_text="What this is a part of, such as shop.")
    environment = forms.CharField(max_length=60, initial="production", help_text="Such as production or staging.")
    deploy_ref = forms.CharField(
        label="Branch to deploy",
        max_length=255,
        required=False,
        help_text="The one mirrored branch that deployments take. Empty: nothing is deployed.",
    )
    parameters = forms.JSONField(
        label="Template parameters",
        required=False,
        help_text='JSON: kind of stack to parameters, such as {"git_intgrtn_aws_s3": {"LogRetentionDays": "30"}}.',
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    SOURCE = ("repository", "method", "refs")
    TARGET = ("aws_account", "region")
    NAMES = ("name", "application", "environment")
    ADVANCED = ("deploy_ref", "parameters")
    FIXED = ("name", "repository", "aws_account", "region")

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        repositories: QuerySet[Repository],
        accounts: QuerySet[AwsAccount],
        integration: Integration | None = None,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial or (self._present(integration) if integration else None))
        self.integration = integration
        if integration:
            for name in self.FIXED:
                del self.fields[name]
        else:
            self.fields["repository"].queryset = repositories  # type: ignore[attr-defined]
            self.fields["aws_account"].queryset = accounts  # type: ignore[attr-defined]

    @staticmethod
    def defaults(
        repositories: QuerySet[Repository], accounts: QuerySet[AwsAccount], *, repository: str
    ) -> dict[str, Any]:
        """A filled-in form for the repository whose id is given, in the first account."""
        chosen = next((row for row in repositories if str(row.pk) == repository), None) if repository else None
        account = accounts.first()
        name = re.sub(r"[^a-z0-9]+", "-", chosen.name.lower()).strip("-")[:60] if chosen else ""
        return {
            "repository": chosen,
            "name": name,
            "application": name,
            "aws_account": account,
            "region": account.default_region if account else "us-east-1",
            "environment": "production",
            "refs": "**",
            "method": Method.ZIP_DOWNLOAD,
        }

    @staticmethod
    def _present(integration: Integration) -> dict[str, Any]:
        return {
            "method": integration.method,
            "refs": ", ".join(integration.refs),
            "application": integration.application,
            "environment": integration.environment,
            "deploy_ref": integration.deploy_ref,
            "parameters": integration.parameters,
        }

    def clean_refs(self) -> list[str]:
        return [ref.strip() for ref in self.cleaned_data["refs"].split(",") if ref.strip()]

    def clean_parameters(self) -> dict[str, Any]:
        parameters = self.cleaned_data["parameters"] or {}
        if not isinstance(parameters, dict):
            raise forms.ValidationError("Write an object: kind of stack to parameters.")
        return parameters

    def changes(self) -> dict[str, Any]:
        """The fields that may change later."""
        return dict(self.cleaned_data)

    def _fields(self, names: tuple[str, ...]) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]

    @property
    def source(self) -> list[forms.BoundField]:
        return self._fields(self.SOURCE)

    @property
    def target(self) -> list[forms.BoundField]:
        return self._fields(self.TARGET)

    @property
    def names(self) -> list[forms.BoundField]:
        return self._fields(self.NAMES)

    @property
    def advanced(self) -> list[forms.BoundField]:
        return self._fields(self.ADVANCED)

    @property
    def advanced_open(self) -> bool:
        return any(name in self.errors for name in self.ADVANCED)
