"""Pages of stacks."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.models import Stack, StackEvent
from deployers.nudge import on_commit_nudge
from deployers.services import images
from deployers.services import stacks as stack_services
from panel.web import paging
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages
from panel.web.reauthentication import confirmed
from teams import policy
from teams.policy import Act


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = (
        Stack.objects.visible_to(request.user)
        .of(request.team)
        .select_related("integration__aws_account")
        .order_by("name", "pk")
    )
    return render(request, "stacks/list.html", {"page": paging.numbered(request, rows)})


def _find(request: PageRequest, pk: UUID) -> Stack:
    return find(request, Stack.objects.visible_to(request.user).select_related("integration__aws_account"), pk=pk)


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    stack = _find(request, pk)
    events = list(reversed(StackEvent.objects.filter(stack=stack).order_by("-timestamp", "-pk")[:300]))
    return render(
        request,
        "stacks/detail.html",
        {
            "stack": stack,
            "image": images.told(stack),
            "unused": stack.kind not in stack_services.wanted(stack.integration),
            "events": events,
            "outputs": sorted(stack.outputs.items()),
            "operations": stack.operations.order_by("-created_at")[:10],
        },
    )


@require_POST
@page
def update_image(request: PageRequest, pk: UUID) -> HttpResponseBase:
    stack = _find(request, pk)
    with errors_as_messages(request):
        operation = stack_services.update_image(stack=stack, actor=request.user)
        on_commit_nudge(operation.pk)
        return redirect("operation-detail", operation.pk)
    return redirect("stack-detail", stack.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    stack = _find(request, pk)
    policy.require(Act.DELETE_INTEGRATION, user=request.user, team=request.team)

    def act(cleaned: dict[str, Any]) -> str:  # noqa: ARG001
        operation = stack_services.remove(stack=stack, actor=request.user)
        on_commit_nudge(operation.pk)
        return reverse("operation-detail", args=[operation.pk])

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=stack.name),
        title=f"Delete {stack}",
        consequences=[
            "Deployments that run are stopped.",
            f"The stack {stack.name} in {stack.region} is deleted with all it made: instances, load balancer, roles.",
            f"{stack.integration}, its webhook and its artifacts stay.",
        ],
        button="Delete stack",
        back=reverse("stack-detail", args=[stack.pk]),
        act=act,
        then="stack-list",
        done=f"Deleting {stack}.",
    )


@require_safe
@page
def events(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """The whole log as a text file, in AWS's own words."""
    stack = _find(request, pk)
    response = render(
        request,
        "stacks/events.txt",
        {"events": stack.events.order_by("timestamp", "pk").iterator()},
        content_type="text/plain; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{stack.name}-events.txt"'
    return response
