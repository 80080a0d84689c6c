"""Bringing an integration into being and taking it away again: provision, webhook, live progress, delete."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from deployers.nudge import on_commit_nudge
from deployers.services import secret_rotation, stacks
from integrations.models import Integration, WebhookState
from integrations.services import obstacles, webhooks
from panel.web import integration_detail, progress, queries, reauthentication
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages
from panel.web.reauthentication import confirmed
from teams import policy
from teams.policy import Act


def _find(request: PageRequest, pk: UUID) -> Integration:
    return find(request, queries.integrations(Integration.objects.visible_to(request.user)), pk=pk)


@require_POST
@page
def provision(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    with errors_as_messages(request):
        review = True if "review" in request.POST else None
        operation = stacks.provision(integration=integration, actor=request.user, review=review)
        on_commit_nudge(operation.pk)
    return redirect("integration-detail", integration.pk)


@require_safe
@page
def live(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """The polled part of the set-up card. When an operation has deleted the integration, the page has to leave."""
    try:
        integration = _find(request, pk)
    except Http404:
        if request.htmx:
            return HttpResponseClientRedirect(reverse("integration-list"))
        raise
    return progress.answer(
        request,
        "integrations/live.html",
        integration=integration,
        stacks=list(integration.stacks.all()),
        operation=progress.newest_operation(integration.operations.all()),
        more=lambda: integration_detail.side(integration, integration_detail.newest_delivery(integration)),
    )


@require_POST
@never_cache
@page
def webhook(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Install the webhook again, ping it, or show what to paste where: the last answer holds its secret."""
    integration = _find(request, pk)
    action = request.POST.get("action", "")
    act = Act.SHOW_SECRET if action == "show" else Act.INSTALL_WEBHOOK
    policy.require(act, user=request.user, team=request.team)
    url = integration_detail.webhook_url(integration)
    if not url:
        messages.error(request, "There is no webhook URL yet. Provision the integration first.")
    elif action == "show":
        if (asked := reauthentication.ask(request)) is not None:
            return asked
        manual = webhooks.instructions(integration=integration, url=url, actor=request.user)
        template = "integrations/manual_fragment.html" if request.htmx else "integrations/manual.html"
        return render(request, template, {"integration": integration, "manual": manual})
    elif action == "install":
        with errors_as_messages(request):
            if webhooks.install(integration=integration, url=url, actor=request.user) == WebhookState.MANUAL:
                messages.warning(request, integration.webhook_problem)
            else:
                messages.success(request, "The provider has the webhook now.")
    elif action == "ping":
        with errors_as_messages(request):
            if webhooks.ping(integration=integration, actor=request.user):
                messages.success(request, "The provider sends a ping. It appears under deliveries in a moment.")
            else:
                messages.warning(request, "This webhook cannot be pinged from here. Push a commit to test it.")
    return redirect("integration-detail", integration.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def rotate_secret(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Say first what will happen, and ask."""
    integration = _find(request, pk)
    policy.require(Act.ROTATE_SECRET, user=request.user, team=request.team, integration=integration.pk)
    back = reverse("integration-detail", args=[integration.pk])
    if request.method == "POST":
        with errors_as_messages(request):
            operation = secret_rotation.rotate(integration=integration, actor=request.user)
            on_commit_nudge(operation.pk)
        return redirect(back)
    by_hand = integration.webhook_state != WebhookState.INSTALLED
    provider = integration.repository.provider
    return render(
        request,
        "integrations/ask.html",
        {
            "integration": integration,
            "title": f"Rotate the webhook secret of {integration}",
            "consequences": [
                "Sluice makes a new secret and updates the stack, which then takes the new one beside the old one.",
                f"You paste the new secret at {provider}: this page shows it while the rotation waits."
                if by_hand
                else f"{provider} gets the new secret by its API. No push is lost meanwhile.",
                "Once a webhook signed with the new one has arrived, the stack is updated again and refuses the old.",
                "Anything else that signs with the old secret stops working then.",
            ],
            "button": "Rotate secret",
            "back": back,
        },
    )


@require_POST
@page
def look_again(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Ask the provider again what stands in the way; the page that follows tells."""
    integration = _find(request, pk)
    obstacles.look_again(integration=integration, actor=request.user)
    if not integration.obstacles and not integration.obstacles_problem:
        messages.success(request, "Nothing stands in the way at the provider, as far as it tells.")
    return redirect("integration-detail", integration.pk)


class DeleteForm(ConfirmForm):
    bucket = forms.ChoiceField(
        label="Artifacts in the bucket",
        choices=(
            ("keep", "Keep the bucket and its artifacts in the AWS account"),
            ("purge", "Delete every version of every artifact, and the bucket"),
        ),
        initial="keep",
        widget=forms.RadioSelect,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    policy.require(Act.DELETE_INTEGRATION, user=request.user, team=request.team)

    def act(cleaned: dict[str, Any]) -> str:
        operation = stacks.delete(integration=integration, actor=request.user, bucket=cleaned["bucket"])
        on_commit_nudge(operation.pk)
        return reverse("operation-detail", args=[operation.pk])

    existing = list(integration.stacks.all())
    return confirm(
        request,
        form=DeleteForm(request.POST or None, name=integration.name),
        title=f"Delete {integration}",
        consequences=[
            f"The webhook and the deploy key of {integration.repository} are removed at the provider.",
            *(f"The stack {stack.name} in {stack.region} is deleted with all it made." for stack in existing),
            "Its deliveries and the list of its artifacts leave Sluice. The repository is not touched.",
        ],
        button="Delete integration",
        back=reverse("integration-detail", args=[integration.pk]),
        act=act,
        then="integration-list",
        done=f"Deleting {integration}.",
    )
