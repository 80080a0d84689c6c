"""The form of a provider: exactly the fields of its kind and, where a kind signs in in several ways, of one way."""

from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.models import Provider
from integrations.providers.base import CredentialField, ProviderClient, SignIn

ADVANCED = ("ca_bundle", "ssh_host", "ssh_port", "ssh_user", "ssh_known_hosts")
KEPT = "Leave it empty to keep the present one."
TOLD = frozenset({"app_id", "installation_id", "private_key"})
"""Credentials whose own help is shown beside a way's text."""
EXAMPLE = "https://git.example.com"


def way_of(client: type[ProviderClient], name: str, provider: Provider | None = None) -> SignIn | None:
    """The way that is asked for, else the one that the provider uses, else the first; None for a kind with just one."""
    ways = client.sign_ins
    stored = set(provider.kept_credentials) if provider else None
    present = (way for way in ways if set(way.labels) == stored)
    return next((way for way in ways if way.name == name), next(present, ways[0] if ways else None))


class SecretText(forms.Textarea):
    """For a secret of several lines: never filled in, not even with what was just sent."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002
        return super().get_context(name, None, attrs)


def _widget(field: CredentialField) -> forms.Widget:
    if field.multiline:
        return SecretText(attrs={"data-unseen": "", "rows": 6, "autocomplete": "off", "spellcheck": "false"})
    return forms.PasswordInput(attrs={"autocomplete": "off"}) if field.secret else forms.TextInput()


class ProviderForm(forms.Form):
    """Exactly the fields of one kind of provider. A secret is only ever written: when editing, empty keeps it."""

    name = forms.CharField(max_length=80)

    def __init__(
        self,
        *args: Any,
        client: type[ProviderClient],
        way: SignIn | None = None,
        stored: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """`stored` are the present credentials when editing; a secret among them need not be entered again."""
        super().__init__(*args, **kwargs)
        self.client = client
        self.fields["name"].help_text = f"What you call it here, such as acme-{client.kind.replace('_', '-')}."
        if client.self_hosted:
            self.fields["base_url"] = self._address()
        self.credentials = [field for field in client.credential_fields if way is None or field.name in way.labels]
        for credential in self.credentials:
            self.fields[credential.name] = self._credential(credential, way, stored or {})
        if client.self_hosted:
            self.fields["ca_bundle"] = forms.CharField(
                label="CA certificates",
                required=False,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 5}),
                help_text="PEM text, if its certificate comes from an authority of your own.",
            )
            self.fields["ssh_host"] = forms.CharField(
                label="SSH host",
                required=False,
                max_length=253,
                help_text="Empty: the one in the clone addresses that its API tells.",
            )
            self.fields["ssh_port"] = forms.IntegerField(
                label="SSH port",
                min_value=1,
                max_value=65535,
                initial=22,
                help_text="22, without an SSH host above: the one in the clone addresses that its API tells.",
            )
        if client.has_ssh_users:
            self.fields["ssh_user"] = forms.CharField(
                label="SSH user",
                required=False,
                max_length=64,
                help_text="Empty: the one in the clone addresses that its API tells. GitHub, for an "
                "organization that asks for SSH certificates: org- and its number.",
            )
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
    def _credential(field: CredentialField, way: SignIn | None, stored: Mapping[str, str]) -> forms.CharField:
        keep = field.secret and bool(stored.get(field.name)) and (way is None or set(way.labels) == set(stored))
        return forms.CharField(
            label=(way.labels[field.name] if way else "") or field.label,
            required=(field.required or (way is not None and field.name not in way.optional)) and not keep,
            help_text=f"{'' if way and field.name not in TOLD else field.help} {KEPT if keep else ''}".strip(),
            widget=_widget(field),
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


def credentials_page(client: type[ProviderClient], way: SignIn | None, base_url: str) -> str:
    """Where credentials are made; a path alone while the address of a self-hosted provider is not known."""
    if way and way.page:
        return way.page
    known = base_url or client.default_base_url
    if known:
        return client.credentials_url(known)
    return client.credentials_url(EXAMPLE).removeprefix(EXAMPLE).partition("?")[0]
