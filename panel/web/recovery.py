"""What an integration does about pushes that did not arrive: the check for missed ones, and dead letters."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_POST, require_safe

from deployers.nudge import on_commit_sync
from deployers.services import catch_up as missed
from deployers.services import dead_letters as letters
from integrations.models import Integration
from panel.web import queries
from panel.web.access import PageRequest, find, page
from panel.web.outcomes import errors_as_messages
from teams.errors import SluiceError


def _find(request: PageRequest, pk: UUID) -> Integration:
    return find(request, queries.integrations(Integration.objects.visible_to(request.user)), pk=pk)


@require_POST
@page
def catch_up(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    with errors_as_messages(request):
        found = missed.catch_up(integration=integration, actor=request.user)
        if found:
            on_commit_sync(integration.pk)
            messages.success(request, f"{found} missed push{pluralize(found, 'es')} found and put on the queue.")
        else:
            messages.success(request, "Nothing was missed: every mirrored ref is accounted for.")
    return redirect("integration-detail", integration.pk)


@require_safe
@page
def dead_letters(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """How many pushes failed: asked at AWS, so the page of the integration asks for it once it is there."""
    integration = _find(request, pk)
    context: dict[str, object] = {"integration": integration}
    try:
        context["count"] = letters.count(integration=integration)
    except SluiceError as error:
        context["error"] = error
    template = "integrations/dead_letters_fragment.html" if request.htmx else "integrations/dead_letters.html"
    return render(request, template, context)


@require_POST
@page
def redrive(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    with errors_as_messages(request):
        moved = letters.redrive(integration=integration, actor=request.user)
        if moved:
            on_commit_sync(integration.pk)
            messages.success(request, f"{moved} push{pluralize(moved, 'es')} put on the queue again.")
        else:
            messages.success(request, "There was nothing left to fetch again.")
    return redirect("integration-detail", integration.pk)
