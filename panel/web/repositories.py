"""Pages of repositories."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from integrations.models import Integration, Provider, Repository
from integrations.services import providers, repositories
from panel.web import paging, parameters, queries
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages, errors_on
from panel.web.reauthentication import confirmed
from teams import policy
from teams.errors import SluiceError
from teams.policy import Act


class RepositoryForm(forms.Form):
    full_name = forms.CharField(label="Full name", max_length=255, help_text="As the provider writes it: owner/name.")


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = (
        Repository.objects.visible_to(request.user)
        .of(request.team)
        .select_related("provider")
        .annotate(integration_count=Count("integrations"))
        .order_by("full_name", "pk")
    )
    if text := parameters.text(request, "q"):
        rows = rows.filter(full_name__icontains=text)
    return render(request, "repositories/list.html", {"page": paging.numbered(request, rows), "text": text})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def add(request: PageRequest) -> HttpResponseBase:
    """Choose a provider, then pick from what it lists, or type a name."""
    policy.require(Act.ADD_REPOSITORY, user=request.user, team=request.team)
    choices = list(Provider.objects.visible_to(request.user).of(request.team))
    wanted = request.GET.get("provider", "")
    provider = next((choice for choice in choices if str(choice.pk) == wanted), choices[0] if choices else None)
    form = RepositoryForm(request.POST or None)
    if provider and request.method == "POST" and form.is_valid():
        with errors_on(form):
            repository = repositories.add(
                team=request.team, actor=request.user, provider=provider, full_name=form.cleaned_data["full_name"]
            )
            messages.success(request, f"{repository} added.")
            return redirect("repository-detail", repository.pk)
    text = parameters.text(request, "q")
    context = {"providers": choices, "provider": provider, "form": form, "text": text}
    if provider and request.method != "POST":
        context |= _listing(request, provider, text)
    if request.htmx:
        return render(request, "repositories/picks.html", context)
    return render(request, "repositories/add.html", context)


def _listing(request: PageRequest, provider: Provider, text: str) -> dict[str, Any]:
    number = request.GET.get("page", "1")
    try:
        found = providers.search_repositories(
            provider=provider, query=text, page=int(number) if number.isdecimal() else 1
        )
    except SluiceError as error:
        return {"problem": error}
    names = [item.full_name for item in found.items]
    known = set(provider.repositories.filter(full_name__in=names).values_list("full_name", flat=True))
    return {"found": found, "known": known}


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    repository = find(request, Repository.objects.visible_to(request.user).select_related("provider"), pk=pk)
    rows = queries.integrations(Integration.objects.visible_to(request.user).filter(repository=repository))
    return render(request, "repositories/detail.html", {"repository": repository, "integrations": rows})


@require_POST
@page
def follow(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Take over the name that the provider gives the repository now, in the stacks too."""
    repository = find(request, Repository.objects.visible_to(request.user).select_related("provider"), pk=pk)
    with errors_as_messages(request):
        repositories.follow(repository=repository, actor=request.user)
        started = stacks.follow_repository(repository=repository, actor=request.user)
        for operation in started:
            on_commit_nudge(operation.pk)
        told = f" {len(started)} integration{pluralize(len(started))} being updated." if started else ""
        messages.success(request, f"It is called {repository} here too now.{told}")
    return redirect("repository-detail", repository.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    repository = find(request, Repository.objects.visible_to(request.user), pk=pk)
    policy.require(Act.DELETE_REPOSITORY, user=request.user, team=request.team)

    def act(_cleaned: dict[str, Any]) -> str:
        repositories.delete(repository=repository, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=repository.full_name),
        title=f"Remove {repository}",
        consequences=["It leaves Sluice's list. Nothing changes at the provider."],
        button="Remove repository",
        back=reverse("repository-detail", args=[repository.pk]),
        act=act,
        then="repository-list",
        done=f"{repository} removed.",
    )
