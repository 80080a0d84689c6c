"""Pages of providers."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from integrations.models import Provider
from integrations.providers.base import ProviderClient, SignIn
from integrations.providers.registry import PROVIDERS
from integrations.services import host_keys, providers
from panel.web import paging
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages, errors_on
from panel.web.provider_forms import ProviderForm, credentials_page, way_of
from panel.web.reauthentication import confirmed
from panel.web.statuses import of_host_keys
from teams import policy
from teams.policy import Act


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
    policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)
    kind = request.GET.get("kind", "")
    if kind not in PROVIDERS:
        kinds = [(kind, client.label, _where(client)) for kind, client in PROVIDERS.items()]
        return render(request, "providers/kinds.html", {"kinds": kinds})
    client = PROVIDERS[kind]
    way = way_of(client, request.GET.get("with", ""))
    form = ProviderForm(request.POST or None, client=client, way=way)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            provider = providers.create(team=request.team, actor=request.user, kind=kind, **form.arguments())
            messages.success(request, f"{provider} added: its credentials work.")
            return redirect("provider-detail", provider.pk)
    return render(request, "providers/form.html", _form_context(form, kind, way))


def _where(client: type[ProviderClient]) -> str:
    """Where a kind of provider is found."""
    address = client.default_base_url
    own = "on a host of your own"
    if not address:
        return own.capitalize()
    return f"{address}, or {own}" if client.self_hosted else address


def _form_context(form: ProviderForm, kind: str, way: SignIn | None, base_url: str = "") -> dict[str, Any]:
    typed = getattr(form, "cleaned_data", {}).get("base_url", "")
    return {
        "form": form,
        "kind": kind,
        "label": PROVIDERS[kind].label,
        "ways": PROVIDERS[kind].sign_ins,
        "way": way,
        "credentials_page": credentials_page(PROVIDERS[kind], way, typed or base_url),
    }


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    pinned, scanned = host_keys.pinned(provider), host_keys.scanned(provider)
    return render(
        request,
        "providers/detail.html",
        {
            "provider": provider,
            "page": paging.numbered(request, provider.repositories.all()),
            "add_url": f"{reverse('repository-add')}?provider={provider.pk}",
            "pinned": pinned,
            "scanned": scanned,
            "host_key_status": of_host_keys(pinned=bool(pinned), scanned=bool(scanned)),
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


@require_POST
@page
def scan_host_keys(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    with errors_as_messages(request):
        if host_keys.scan(provider=provider, actor=request.user):
            messages.warning(
                request, "Compare the host keys below with what the server's owner says, then confirm them."
            )
        else:
            messages.success(request, "The server has the host keys that are pinned.")
    return redirect("provider-detail", provider.pk)


@require_POST
@page
def confirm_host_keys(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    with errors_as_messages(request):
        host_keys.confirm(provider=provider, actor=request.user, fingerprints=request.POST.getlist("fingerprint"))
        started = stacks.follow_provider(provider=provider, actor=request.user)
        for operation in started:
            on_commit_nudge(operation.pk)
        told = f" {len(started)} stack{pluralize(len(started))} being updated to know these keys." if started else ""
        messages.success(request, f"Pinned.{told}")
    return redirect("provider-detail", provider.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)
    client = PROVIDERS[provider.kind]
    way = way_of(PROVIDERS[provider.kind], request.GET.get("with", ""), provider)
    shown = {
        field.name: provider.kept_credentials.get(field.name, "")
        for field in client.credential_fields
        if not field.secret
    }
    initial = {
        "name": provider.name,
        "base_url": provider.base_url,
        "ca_bundle": provider.ca_bundle,
        "ssh_host": provider.ssh_host,
        "ssh_user": provider.ssh_user,
        "ssh_port": provider.ssh_port,
        "ssh_known_hosts": provider.ssh_known_hosts,
        **shown,
    }
    form = ProviderForm(request.POST or None, client=client, way=way, stored=provider.kept_credentials, initial=initial)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            providers.update(provider=provider, actor=request.user, **form.arguments())
            messages.success(request, "Saved. The credentials work.")
            return redirect("provider-detail", provider.pk)
    context = _form_context(form, provider.kind, way, provider.base_url)
    return render(request, "providers/form.html", {**context, "provider": provider})


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    provider = find(request, Provider.objects.visible_to(request.user), pk=pk)
    policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)

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
