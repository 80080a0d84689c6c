"""The form of a provider: exactly the fields of its kind and, where a kind signs in in several ways, of one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from integrations.models import Provider, ProviderKind
from integrations.providers.base import CredentialField, ProviderClient

ADVANCED = ("ca_bundle", "ssh_port", "ssh_known_hosts")
KEPT = "Leave it empty to keep the present one."
# One kind for the public service and for hosts of one's own; the other self-hosted products are kinds of their own.
SELF_HOSTED_TOO = frozenset({ProviderKind.GITLAB.value})
EXAMPLE = "https://git.example.com"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to sign in, for kinds that have several: which of the kind's credentials it takes, all of them required.

    `labels` maps a credential to what it is called in this way, empty for its own label.
    """

    name: str
    title: str
    text: str
    labels: Mapping[str, str]
    page: str


WAYS: dict[str, tuple[Way, ...]] = {
    ProviderKind.BITBUCKET_CLOUD: (
        Way(
            "api-token",
            "API token",
            "Belongs to a person, and may do what its scopes and that person may. Bitbucket names no scope that lets it"
            " add deploy keys: for git pull they may have to be added by hand.",
            {"email": "", "token": "API token"},
            "https://id.atlassian.com/manage-profile/security/api-tokens",
        ),
        Way(
            "access-token",
            "Access token",
            "Belongs to one repository, project or workspace, and to nobody. The best choice where your plan has them.",
            {"token": "Access token"},
            "https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/",
        ),
        Way(
            "oauth-consumer",
            "OAuth consumer",
            'Belongs to a workspace. Tick "This is a private consumer", which signing in without a person needs.',
            {"oauth_key": "Key", "oauth_secret": "Secret"},
            "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
        ),
    ),
}


def way_of(kind: str, name: str, provider: Provider | None = None) -> Way | None:
    """The way that is asked for, else the one that the provider uses, else the first; None for a kind with just one."""
    ways = WAYS.get(kind, ())
    stored = set(provider.credentials) if provider else None
    present = (way for way in ways if set(way.labels) == stored)
    return next((way for way in ways if way.name == name), next(present, ways[0] if ways else None))


class ProviderForm(forms.Form):
    """Exactly the fields of one kind of provider. A secret is only ever written: when editing, empty keeps it."""

    name = forms.CharField(max_length=80)

    def __init__(
        self,
        *args: Any,
        client: type[ProviderClient],
        way: Way | None = None,
        stored: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """`stored` are the present credentials when editing; a secret among them need not be entered again."""
        super().__init__(*args, **kwargs)
        self.client = client
        self.fields["name"].help_text = f"What you call it here, such as acme-{client.kind.replace('_', '-')}."
        self.own_host = not client.default_base_url or client.kind in SELF_HOSTED_TOO
        if self.own_host:
            self.fields["base_url"] = self._address()
        self.credentials = [field for field in client.credential_fields if way is None or field.name in way.labels]
        for credential in self.credentials:
            self.fields[credential.name] = self._credential(credential, way, stored or {})
        if self.own_host:
            self.fields["ca_bundle"] = forms.CharField(
                label="CA certificates",
                required=False,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 5}),
                help_text="PEM text, if its certificate comes from an authority of your own.",
            )
            self.fields["ssh_port"] = forms.IntegerField(label="SSH port", min_value=1, max_value=65535, initial=22)
        self.fields["ssh_known_hosts"] = forms.CharField(
            label="SSH host keys",
            required=False,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text="Lines as ssh-keyscan prints them, for git pull. Empty: those that the provider publishes; if it "
            "publishes none, its server is asked and you confirm what it answered.",
        )

    def _address(self) -> forms.URLField:
        default = self.client.default_base_url
        example = f"Where your {self.client.label} lives, such as {EXAMPLE}."
        return forms.URLField(
            label="Address",
            assume_scheme="https",
            required=not default,
            help_text=f"Empty: {default}. {example}" if default else example,
        )

    @staticmethod
    def _credential(field: CredentialField, way: Way | None, stored: Mapping[str, str]) -> forms.CharField:
        keep = field.secret and bool(stored.get(field.name)) and (way is None or set(way.labels) == set(stored))
        return forms.CharField(
            label=(way.labels[field.name] if way else "") or field.label,
            required=(field.required or way is not None) and not keep,
            help_text=f"{'' if way else field.help} {KEPT if keep else ''}".strip(),
            widget=forms.PasswordInput(attrs={"autocomplete": "off"}) if field.secret else forms.TextInput(),
        )

    @property
    def advanced(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name in ADVANCED]

    @property
    def plain(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in ADVANCED]

    @property
    def advanced_open(self) -> bool:
        return any(name in self.errors for name in ADVANCED)

    def arguments(self) -> dict[str, Any]:
        """What the service takes."""
        names = {field.name for field in self.credentials}
        credentials = {name: value for name, value in self.cleaned_data.items() if name in names}
        rest = {name: value for name, value in self.cleaned_data.items() if name not in names}
        return {**rest, "credentials": credentials}


def credentials_page(client: type[ProviderClient], way: Way | None, base_url: str) -> str:
    """Where credentials are made; a path alone while the address of a self-hosted provider is not known."""
    if way:
        return way.page
    known = base_url or client.default_base_url
    if known:
        return client.credentials_url(known)
    return client.credentials_url(EXAMPLE).removeprefix(EXAMPLE).partition("?")[0]
