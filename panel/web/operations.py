"""Pages of operations."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from deployers.models import Operation, Stack
from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from deployers.states import OperationStatus
from panel.web import paging, progress
from panel.web.access import PageRequest, find, page
from panel.web.outcomes import errors_as_messages


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = (
        Operation.objects.visible_to(request.user)
        .of(request.team)
        .select_related("integration", "stack", "requested_by")
    )
    status = request.GET.get("status", "")
    if status in OperationStatus.values:
        rows = rows.filter(status=status)
    context = {
        "page": paging.by_time(request, rows, field="created_at"),
        "statuses": OperationStatus.choices,
        "status": status,
    }
    return render(request, "operations/list.html", context)


def _find(request: PageRequest, pk: UUID) -> Operation:
    rows = Operation.objects.visible_to(request.user).select_related("integration", "stack", "requested_by", "team")
    return find(request, rows, pk=pk)


def _stacks(operation: Operation) -> list[Stack]:
    return [operation.stack] if operation.stack else []


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    operation = _find(request, pk)
    existing = _stacks(operation)
    return render(
        request,
        "operations/detail.html",
        {
            **progress.context(operation.integration, existing, operation),
            "tag": progress.tag(operation, existing),
        },
    )


@require_safe
@page
def live(request: PageRequest, pk: UUID) -> HttpResponseBase:
    operation = _find(request, pk)
    return progress.answer(
        request,
        "operations/live.html",
        integration=operation.integration,
        stacks=_stacks(operation),
        operation=operation,
    )


@require_POST
@page
def retry(request: PageRequest, pk: UUID) -> HttpResponseBase:
    operation = _find(request, pk)
    with errors_as_messages(request):
        again = stacks.retry(operation=operation, actor=request.user)
        on_commit_nudge(again.pk)
        if again.integration_id:
            return redirect("integration-detail", again.integration_id)
        return redirect("operation-detail", again.pk)
    return redirect("operation-detail", operation.pk)


@require_POST
@page
def approve(request: PageRequest, pk: UUID) -> HttpResponseBase:
    operation = _find(request, pk)
    with errors_as_messages(request):
        stacks.approve(operation=operation, actor=request.user)
        on_commit_nudge(operation.pk)
    if operation.integration_id:
        return redirect("integration-detail", operation.integration_id)
    return redirect("operation-detail", operation.pk)


@require_POST
@page
def cancel(request: PageRequest, pk: UUID) -> HttpResponseBase:
    operation = _find(request, pk)
    with errors_as_messages(request):
        stacks.cancel(operation=operation, actor=request.user)
        on_commit_nudge(operation.pk)
        messages.success(request, "Cancelled, or about to be at the next safe point.")
    return redirect("operation-detail", operation.pk)
