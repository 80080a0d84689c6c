"""Pages of stacks."""

from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployers.models import Stack, StackEvent
from panel.web import paging
from panel.web.access import PageRequest, find, page


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
            "events": events,
            "outputs": sorted(stack.outputs.items()),
            "operations": stack.operations.order_by("-created_at")[:10],
        },
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
