"""The form of an integration: from a repository, by a method, to an account."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django import forms
from django.db.models import QuerySet

from deployers.models import AwsAccount
from integrations.errors import SettingsChanged
from integrations.models import Deployer, Integration, Method, Repository, Transport
from integrations.services import integrations
from integrations.services.settings_values import MAX_ROTATE_EVERY
from panel.web.deployer_forms import FORMS, DeployerForm, offered
from panel.web.integration_fields import AccountField, GlobsField, ParametersField, RepositoryField
from panel.web.regions import RegionField

METHOD_LABELS = (
    (Method.ZIP_DOWNLOAD, "Zip download: the provider's own archive, over HTTPS with the provider's token"),
    (Method.GIT_PULL, "Git pull: a shallow fetch of just that commit, over SSH or HTTPS"),
)
TRANSPORT_LABELS = (
    (Transport.SSH, "SSH, with a deploy key made in your AWS account"),
    (Transport.HTTPS, "HTTPS, with the provider's token"),
)
DEPLOYER_LABELS = (
    (Deployer.CODEDEPLOY, "CodeDeploy: onto instances behind a load balancer, made in your AWS account"),
    (Deployer.ECS, "ECS: an image, built by CodePipeline, onto a cluster made in your AWS account"),
)
# What an update may change, but for the name.
CHANGEABLE = tuple(name for name in integrations.CHANGEABLE if name != "name")


def _plain(value: Any) -> str:
    """A setting as the form shows it."""
    match value:
        case bool():
            return "on" if value else "off"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return "" if value is None else str(value)


class IntegrationForm(forms.Form):
    """What the services take. What is fixed once a stack exists is left out when editing."""

    repository = RepositoryField(queryset=Repository.objects.none())
    method = forms.ChoiceField(
        label="How a commit becomes a zip", choices=METHOD_LABELS, widget=forms.RadioSelect, initial=Method.ZIP_DOWNLOAD
    )
    transport = forms.ChoiceField(
        label="Git pull over",
        choices=TRANSPORT_LABELS,
        widget=forms.RadioSelect,
        initial=Transport.SSH,
        required=False,
        help_text="HTTPS, where the organization allows no deploy keys.",
    )
    refs = GlobsField(
        label="Branches and tags to mirror",
        initial=("**",),
        help_text="Separated by commas: main, release/*, tags:v*. One * stays within a slash, ** does not.",
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
    paths = GlobsField(
        label="Only pushes that change",
        required=False,
        help_text="Files, separated by commas: services/shop/**, *.lock. Empty: any file counts.",
    )
    ignored_paths = GlobsField(
        label="Files that never count",
        required=False,
        help_text="Such as docs/**, *.md. They win over the files above.",
    )
    skip_ci = forms.BooleanField(
        label="Skip commits that say [skip ci] or [ci skip]",
        required=False,
        initial=True,
        help_text="The delivery is logged as ignored, with this reason.",
    )
    submodules = forms.BooleanField(
        label="Fetch submodules too",
        required=False,
        help_text="Those on the same host, over SSH: the deploy key must be allowed to read each of them.",
    )
    lfs = forms.BooleanField(
        label="Fetch Git LFS files in place of their pointers",
        required=False,
        help_text="Up to 2,000 a commit, of 1 GB each. Git LFS must be on at the provider; the deploy key opens it.",
    )
    commit_statuses = forms.BooleanField(
        label="Show commit statuses at the provider",
        required=False,
        help_text="Each commit shows whether its artifact is stored, with a link to the delivery. "
        "The token must be able to write statuses.",
    )
    rotate_every = forms.IntegerField(
        label="Rotate SSH key every (days)",
        required=False,
        min_value=0,
        max_value=MAX_ROTATE_EVERY,
        help_text="0: never. Empty: the panel's default.",
    )
    restrict_source_ips = forms.BooleanField(
        label="Take webhooks only from the provider's published addresses",
        required=False,
        help_text="On top of the signature, which is always checked. Kept up to date. Not all publish them.",
    )
    deployers = forms.MultipleChoiceField(
        label="Deploy with",
        choices=DEPLOYER_LABELS,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Leave empty to only store artifacts.",
    )
    deploy_ref = forms.CharField(
        label="Branch to deploy",
        max_length=255,
        required=False,
        help_text="The one mirrored branch that deployments take. Empty: the repository's default branch.",
    )
    parameters = ParametersField(
        label="Template parameters",
        required=False,
        help_text='JSON: kind of stack to parameters, such as {"git_intgrtn_aws_s3": {"LogRetentionDays": "30"}}.',
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    SOURCE = ("repository", "method", "refs")
    TARGET = ("aws_account", "region")
    NAMES = ("name", "application", "environment")
    FILTERS = ("paths", "ignored_paths", "skip_ci")
    GIT_PULL = ("transport", "submodules", "lfs")
    AT_PROVIDER = ("commit_statuses", "restrict_source_ips", "rotate_every")
    DEPLOY = ("deployers", "deploy_ref")
    REST = ("parameters",)
    ADVANCED = (*FILTERS, *GIT_PULL, *AT_PROVIDER, *REST)
    FIXED = ("name", "repository", "aws_account", "region")

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        repositories: QuerySet[Repository],
        accounts: QuerySet[AwsAccount],
        integration: Integration | None = None,
        initial: dict[str, Any] | None = None,
        looking: bool = False,
    ) -> None:
        """`looking`: the lists of AWS are asked for with what is filled in so far; nothing is validated yet."""
        super().__init__(data, initial=initial or (self._present(integration) if integration else None))
        self.integration, self.looking = integration, looking
        self.of_deployers = [
            form(None if looking else data, present=integration.parameters.get(form.KIND, {}) if integration else {})
            for form in FORMS
        ]
        for form in self.of_deployers if looking and data is not None else ():
            form.initial = {
                name: field.widget.value_from_datadict(data, {}, form.add_prefix(name))
                for name, field in form.fields.items()
            }
        if integration:
            for name in self.FIXED:
                del self.fields[name]
            self.fields["version"] = forms.CharField(
                required=False, max_length=64, widget=forms.HiddenInput, initial=integrations.version(integration)
            )
        else:
            self.fields["repository"].queryset = repositories  # type: ignore[attr-defined]
            self.fields["aws_account"].queryset = accounts  # type: ignore[attr-defined]

    @staticmethod
    def defaults(
        repositories: QuerySet[Repository], accounts: QuerySet[AwsAccount], *, repository: str
    ) -> dict[str, Any]:
        """A filled-in form for the repository whose id is given, or the only one there is, in the first account."""
        few = list(repositories[:2]) if not repository else list(repositories)
        only = few[0] if len(few) == 1 else None
        chosen = next((row for row in few if str(row.pk) == repository), None) if repository else only
        account = accounts.first()
        name = re.sub(r"[^a-z0-9]+", "-", chosen.name.lower()).strip("-")[:60] if chosen else ""
        return {
            "repository": chosen,
            "name": name,
            "application": name,
            "aws_account": account,
            "region": account.default_region if account else "us-east-1",
            "environment": "production",
            "refs": ["**"],
            "method": Method.ZIP_DOWNLOAD,
        }

    @staticmethod
    def _present(integration: Integration) -> dict[str, Any]:
        present = {name: getattr(integration, name) for name in CHANGEABLE}
        # What has a field of its own is not written a second time.
        fields = {form.KIND.value: form.base_fields for form in FORMS}
        rest = {
            kind: {name: value for name, value in values.items() if name not in fields.get(kind, ())}
            for kind, values in integration.parameters.items()
        }
        present["parameters"] = {kind: values for kind, values in rest.items() if values}
        return present

    def full_clean(self) -> None:
        if self.looking:
            self._errors = forms.utils.ErrorDict()
            self.cleaned_data = {}
            return
        super().full_clean()

    def clean_parameters(self) -> dict[str, Any]:
        parameters = self.cleaned_data["parameters"]
        if not (self.data.get(self.add_prefix("parameters")) or "").strip():  # an empty field, and not `null`
            return {}
        if not isinstance(parameters, dict):
            raise forms.ValidationError("Write an object: kind of stack to parameters.")
        return parameters

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned.pop("version", None)
        if cleaned.get("method") == Method.ZIP_DOWNLOAD:
            # The page hides these while the other method is chosen, so nobody could untick them.
            cleaned |= dict.fromkeys(("submodules", "lfs"), False)
        cleaned["transport"] = cleaned.get("transport") or Transport.SSH
        for form in self._chosen(cleaned.get("deployers", ())):
            if "parameters" in cleaned:
                self._clean_deployer(form, cleaned)
            else:
                form.full_clean()  # all that is wrong is told at once
        return cleaned

    def _clean_deployer(self, form: DeployerForm, cleaned: dict[str, Any]) -> None:
        kind, parameters = form.KIND, cleaned["parameters"]
        if not isinstance(parameters.get(kind, {}), dict):
            self.add_error("parameters", f"Parameters of {kind} must be names with plain values.")
            return
        form.full_clean()
        chosen = {**parameters.get(kind, {}), **form.chosen}
        account = self.integration.aws_account if self.integration else cleaned.get("aws_account")
        region = self.integration.region if self.integration else cleaned.get("region")
        if account and region:
            for each in form.check_against(account, region, chosen):
                self.add_error("parameters", each)
        cleaned["parameters"] = {**parameters, kind: chosen}

    def is_valid(self) -> bool:
        """Whether all is, the chosen deployer's fields included."""
        valid = super().is_valid()
        return valid and all(form.is_valid() for form in self._chosen(self.cleaned_data["deployers"]))

    @property
    def chosen_forms(self) -> list[DeployerForm]:
        """The forms of the deployers that are ticked."""
        return self._chosen(self["deployers"].value() or ())

    def keep_both(self, error: SettingsChanged) -> None:
        """After somebody else was faster: keep what was typed, and say at each field what is there now.

        Saving once more then replaces it knowingly.
        """
        assert self.integration is not None  # noqa: S101
        self.integration.refresh_from_db()
        present = self._present(self.integration)
        typed = self.cleaned_data
        self.add_error(None, f"{error.message} Nothing you typed is lost. Compare the fields below, then save again.")
        for name in CHANGEABLE:
            if (
                name in error.names
                and name in typed
                and name in present
                and _plain(typed[name]) != _plain(present[name])
            ):
                there = "other values" if name == "parameters" else _plain(present[name]) or "nothing"
                self.add_error(name, f"It is now: {there}. Saving again replaces that with what you have here.")
        data = self.data.copy()  # type: ignore[attr-defined]
        data["version"] = integrations.version(self.integration)
        self.data = data

    def _chosen(self, deployers: Sequence[str]) -> list[DeployerForm]:
        return [form for form in self.of_deployers if form.DEPLOYER in deployers]

    def offer_choices(self) -> None:
        """Offer what the account has in the region, where a deployer is chosen or the lists are asked for."""
        if not self.looking and not self._chosen(self["deployers"].value() or ()):
            return
        if self.integration:
            account: AwsAccount | None = self.integration.aws_account
            region = self.integration.region
        else:
            value, region = self["aws_account"].value(), str(self["region"].value() or "")
            account = value if isinstance(value, AwsAccount) else self._account(str(value or ""))
        there = offered(account, region)
        if there is not None:
            for form in self.of_deployers:
                form.offer(there)

    def _account(self, pk: str) -> AwsAccount | None:
        """One of the team's accounts; None for anything else."""
        field = self.fields["aws_account"]
        assert isinstance(field, AccountField)  # noqa: S101
        return next((row for row in field.queryset if str(row.pk) == pk), None)  # type: ignore[union-attr]

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
    def deploy(self) -> list[forms.BoundField]:
        return self._fields(self.DEPLOY)

    @property
    def advanced(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """Folded groups: CSS class, title and fields."""
        return [
            ("", "Which pushes count", self._fields(self.FILTERS)),
            ("git-pull-only", "Git pull", self._fields(self.GIT_PULL)),
            ("", "At the provider", self._fields(self.AT_PROVIDER)),
            ("", "Template", self._fields(self.REST)),
        ]

    @property
    def advanced_open(self) -> bool:
        return any(name in self.errors for name in self.ADVANCED)


@contextmanager
def kept(form: IntegrationForm) -> Iterator[None]:
    """Show what somebody else changed meanwhile beside what was typed."""
    try:
        yield
    except SettingsChanged as error:
        form.keep_both(error)
