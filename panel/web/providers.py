"""Pages of providers."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.models import Provider, ProviderKind
from integrations.providers.base import ProviderClient
from integrations.providers.registry import PROVIDERS
from integrations.services import providers
from panel.web import paging
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages, errors_on
from teams.models import Role
from teams.services import roles

ADVANCED = ("ca_bundle", "ssh_port", "ssh_known_hosts")
KEPT = "Leave it empty to keep the present one."


class ProviderForm(forms.Form):
    """Exactly the fields of one kind of provider. A secret is only ever written: when editing, empty keeps it."""

    name = forms.CharField(max_length=80, help_text="What you call it here, such as acme-github.")

    def __init__(self, *args: Any, client: type[ProviderClient], editing: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.client = client
        self_hosted = not client.default_base_url
        if self_hosted:
            self.fields["base_url"] = forms.URLField(
                label="Address",
                assume_scheme="https",
                help_text=f"Where your {client.label} lives, such as https://git.example.com.",
            )
        for credential in client.credential_fields:
            self.fields[credential.name] = forms.CharField(
                label=credential.label,
                required=credential.required and not (editing and credential.secret),
                help_text=f"{credential.help} {KEPT if editing and credential.secret else ''}".strip(),
                widget=forms.PasswordInput(attrs={"autocomplete": "off"}) if credential.secret else forms.TextInput(),
            )
        if self_hosted:
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
            help_text="Lines as ssh-keyscan prints them, for git pull. Empty: those that the provider publishes.",
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
        names = {field.name for field in self.client.credential_fields}
        credentials = {name: value for name, value in self.cleaned_data.items() if name in names}
        rest = {name: value for name, value in self.cleaned_data.items() if name not in names}
        return {**rest, "credentials": credentials}


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = (
        Provider.objects.visible_to(request.user)
        .of(request.team)
        .annotate(repository_count=Count("repositories"))
        .order_by("name", "pk")
    )
    return render(request, "providers/list.html", {"page": paging.numbered(request, rows)})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def add(request: PageRequest) -> HttpResponseBase:
    roles.require(Role.ADMIN, user=request.user, team=request.team)
    kind = request.GET.get("kind", "")
    if kind not in PROVIDERS:
        kinds = [(kind, ProviderKind(kind).label, client.default_base_url) for kind, client in PROVIDERS.items()]
        return render(request, "providers/kinds.html", {"kinds": kinds})
    client = PROVIDERS[kind]
    form = ProviderForm(request.POST or None, client=client)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            provider = providers.create(team=request.team, actor=request.user, kind=kind, **form.arguments())
            messages.success(request, f"{provider} added: its credentials work.")
            return redirect("provider-detail", provider.pk)
    # A self-hosted provider has no such page before its address is known.
    link = client.credentials_url(client.default_base_url) if client.default_base_url else ""
    context = {"form": form, "kind": kind, "label": client.label, "credentials_page": link}
    return render(request, "providers/form.html", context)


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    return render(
        request,
        "providers/detail.html",
        {
            "provider": provider,
            "page": paging.numbered(request, provider.repositories.all()),
            "add_url": f"{reverse('repository-add')}?provider={provider.pk}",
        },
    )


@require_POST
@page
def check(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    with errors_as_messages(request):
        identity = providers.check(provider=provider, actor=request.user)
        if identity.missing:
            messages.warning(request, f"The credentials work, but may not do all: {', '.join(identity.missing)}.")
        else:
            messages.success(request, f"The credentials work. They belong to {identity.login}. {identity.note}".strip())
    return redirect("provider-detail", provider.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    roles.require(Role.ADMIN, user=request.user, team=request.team)
    client = PROVIDERS[provider.kind]
    shown = {
        field.name: provider.credentials.get(field.name, "") for field in client.credential_fields if not field.secret
    }
    initial = {
        "name": provider.name,
        "base_url": provider.base_url,
        "ca_bundle": provider.ca_bundle,
        "ssh_port": provider.ssh_port,
        "ssh_known_hosts": provider.ssh_known_hosts,
        **shown,
    }
    form = ProviderForm(request.POST or None, client=client, editing=True, initial=initial)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            providers.update(provider=provider, actor=request.user, **form.arguments())
            messages.success(request, "Saved. The credentials work.")
            return redirect("provider-detail", provider.pk)
    link = client.credentials_url(provider.base_url or client.default_base_url)
    context = {
        "form": form,
        "provider": provider,
        "kind": provider.kind,
        "label": client.label,
        "credentials_page": link,
    }
    return render(request, "providers/form.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    roles.require(Role.ADMIN, user=request.user, team=request.team)

    def act(_cleaned: dict[str, Any]) -> str:
        providers.delete(provider=provider, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=provider.name),
        title=f"Delete {provider}",
        consequences=[
            "Its credentials are removed from Sluice. Revoke the token at the provider too.",
            "Its repositories have to be removed from Sluice first. Nothing changes at the provider.",
        ],
        button="Delete provider",
        back=reverse("provider-detail", args=[provider.pk]),
        act=act,
        then="provider-list",
        done=f"{provider} deleted.",
    )
