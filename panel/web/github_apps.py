"""Pages on which a GitHub App is made: for a new provider, or in place of a provider's token."""

import re
from typing import Any
from uuid import UUID

from csp.decorators import csp_update
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from integrations.models import AppSetup, Provider
from integrations.providers.base import ProviderClient
from integrations.providers.github import GitHub
from integrations.providers.registry import PROVIDERS
from integrations.services import github_apps
from integrations.services.github_apps import Leaving, Ways
from panel.web.access import PageRequest, find, page
from panel.web.outcomes import errors_on
from teams import policy
from teams.errors import Forbidden, SluiceError
from teams.policy import Act

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KINDS = [kind for kind, client in PROVIDERS.items() if issubclass(client, GitHub)]


class AppForm(forms.Form):
    """Who is to own the app, and what it may do besides what Sluice always needs."""

    def __init__(self, *args: Any, client: type[ProviderClient], replaces: Provider | None) -> None:
        super().__init__(*args)
        if replaces is None:
            self.fields["name"] = forms.CharField(max_length=80, help_text="What you call the provider here.")
            if client.self_hosted:
                self.fields["base_url"] = forms.URLField(
                    label="Address", assume_scheme="https", help_text="Where your server lives."
                )
        self.fields["organization"] = forms.CharField(
            max_length=80,
            required=False,
            help_text="The organization that is to own the app, as in its address. Empty: your own account. Only the "
            "owner's repositories can be reached.",
        )
        if replaces is None and client.self_hosted:
            self.fields["ca_bundle"] = forms.CharField(
                label="CA certificates",
                required=False,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 4}),
                help_text="PEM text, if its certificate comes from an authority of your own.",
            )
        self.fields["deploy_keys"] = forms.BooleanField(
            label="Let it add deploy keys",
            required=False,
            help_text="For git pull over SSH. That takes Administration, which may also delete repositories.",
        )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
def add(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)
    replaces = None
    if wanted := request.GET.get("provider", ""):
        if not _UUID.fullmatch(wanted):
            raise Http404
        replaces = find(request, Provider.objects.visible_to(request.user).filter(kind__in=KINDS), pk=wanted)
        policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)
    kind = replaces.kind if replaces else request.GET.get("kind", "")
    if kind not in KINDS:
        return redirect("provider-add")
    form = AppForm(request.POST or None, client=PROVIDERS[kind], replaces=replaces)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            given = {"kind": kind, "name": "", **form.cleaned_data}
            leaving = github_apps.start(
                team=request.team,
                actor=request.user,
                session=request.session.session_key or "",
                ways=_ways(request),
                provider=replaces,
                **given,
            )
            return _leave(request, leaving)
    context = {"form": form, "kind": kind, "label": PROVIDERS[kind].label, "provider": replaces}
    return render(request, "providers/app_form.html", context)


def _ways(request: PageRequest) -> Ways:
    def here(name: str) -> str:
        return request.build_absolute_uri(reverse(name))

    return Ways(panel=here("overview"), made=here("provider-app-made"), installed=here("provider-app-installed"))


def _leave(request: PageRequest, leaving: Leaving) -> HttpResponseBase:
    """The one page whose form leads to another site, and only to that one."""
    scheme, _, rest = leaving.form_url.partition("://")
    origin = f"{scheme}://{rest.partition('/')[0]}"
    context = {"leaving": leaving, "host": origin.partition("://")[2], "kind": leaving.setup.kind}

    @csp_update({"form-action": [origin]})
    def answer(_request: HttpRequest) -> HttpResponseBase:
        return render(request, "providers/app_leave.html", context)

    return answer(request)


@require_safe
@never_cache
@page
def made(request: PageRequest) -> HttpResponseBase:
    """Where GitHub sends the browser to once the app is made."""
    try:
        setup = github_apps.come_back(
            actor=request.user,
            session=request.session.session_key or "",
            state=request.GET.get("state", ""),
            code=request.GET.get("code", ""),
        )
    except Forbidden:
        raise
    except SluiceError as error:
        messages.error(request, str(error))
        return redirect("provider-list")
    messages.success(request, f"GitHub made the app {setup}. Install it now.")
    return redirect("provider-app", setup.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    rows = AppSetup.objects.visible_to(request.user).select_related("team", "provider").exclude(credentials_json="")
    setup = find(request, rows, pk=pk)
    policy.require(Act.ADMINISTER_PROVIDERS, user=request.user, team=request.team)
    problem: SluiceError | None = None
    if request.method == "POST":
        try:
            provider = github_apps.finish(
                setup=setup, actor=request.user, installation_id=request.POST.get("installation", "")
            )
        except Forbidden:
            raise
        except SluiceError as error:
            problem = error
        else:
            messages.success(request, f"{provider} signs in as a GitHub App: {provider.login}.")
            return redirect("provider-detail", provider.pk)
    found = []
    try:
        found = github_apps.installations(setup=setup, actor=request.user)
    except Forbidden:
        raise
    except SluiceError as error:
        problem = problem or error
    context = {
        "setup": setup,
        "installations": found,
        "problem": problem,
        "install_url": github_apps.page_to_install(setup),
    }
    return render(request, "providers/app_install.html", context, status=400 if request.method == "POST" else 200)


@require_safe
@page
def installed(request: PageRequest) -> HttpResponseBase:
    """Where GitHub sends the browser to after an installation; what it says in the address counts for nothing."""
    waiting = github_apps.waiting(actor=request.user)
    return redirect("provider-app", waiting.pk) if waiting else redirect("provider-list")
