"""The SSH keys of a team: where each stands, and, for its admins, rotating one, several or all that are old."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.models import Operation, OperationKind
from deployers.nudge import on_commit_nudge
from deployers.services import key_rotation, key_schedule
from deployers.states import ACTIVE, OperationStatus
from integrations.models import SSH_KEY_OVER, DeliveryStatus, Integration, RemoteState, SSHKey, SSHKeyState
from panel.web import live, paging, parameters
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages
from panel.web.reauthentication import confirmed
from teams import policy
from teams.policy import Act

FILTERS = ("q", "state", "at_provider", "age", "sort")
SORTS: dict[str, tuple[Any, ...]] = {
    "integration": ("integration__name", "pk"),
    "oldest": ("created_at", "pk"),
    "unused": (F("last_used_at").asc(nulls_first=True), "pk"),
    "next": (F("rotates_at").asc(nulls_last=True), "pk"),
}
AGES = {"30": "Over 30 days", "90": "Over 90 days", "365": "Over a year", "late": "Past its rotation"}
SHOWN_RUNNING = 5


def keys_of(request: PageRequest) -> QuerySet[Any]:
    """The keys of the team at hand, with when each is rotated next."""
    rows = key_schedule.with_next_rotation(SSHKey.objects.visible_to(request.user).of(request.team))
    return rows.select_related("integration__repository__provider")


def _filtered(request: PageRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    state = request.GET.get("state", "")
    if state in SSHKeyState.values:
        rows = rows.filter(state=state)
    elif state != "all":
        # What is over and nowhere any more is history.
        rows = rows.exclude(state__in=SSH_KEY_OVER, in_stack=False, remote_state=RemoteState.MISSING)
    if (at_provider := request.GET.get("at_provider", "")) in RemoteState.values:
        rows = rows.filter(remote_state=at_provider)
    age = request.GET.get("age", "")
    if age == "late":
        rows = rows.filter(rotates_at__lte=timezone.now())
    elif age in AGES:
        rows = rows.filter(created_at__lte=timezone.now() - timedelta(days=int(age)))
    if text := parameters.text(request, "q"):
        rows = rows.filter(
            Q(integration__name__icontains=text)
            | Q(integration__repository__full_name__icontains=text)
            | Q(fingerprint__contains=text)
        )
    return rows.order_by(*SORTS.get(request.GET.get("sort", ""), SORTS["integration"]))


class OlderThanForm(forms.Form):
    days = forms.IntegerField(label="Days", min_value=0, max_value=10_000, initial=90)


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rotations = Operation.objects.visible_to(request.user).of(request.team).filter(kind=OperationKind.ROTATE_KEY)
    running = rotations.filter(status__in=sorted(ACTIVE)).select_related("integration").order_by("-created_at")
    context = {
        "page": paging.numbered(request, _filtered(request, keys_of(request))),
        "filters": {name: parameters.text(request, name) for name in FILTERS},
        "narrowed": any(request.GET.get(name) for name in FILTERS if name != "sort"),
        "states": SSHKeyState.choices,
        "places": RemoteState.choices,
        "ages": AGES.items(),
        "older_than": OlderThanForm(),
        "now": timezone.now(),
        "running": running[:SHOWN_RUNNING],
    }
    return render(request, "ssh_keys/list.html", context)


@require_POST
@page
@confirmed
def rotate_many(request: PageRequest) -> HttpResponseBase:
    """Rotate the keys that were selected, the one of a row, or all that are old enough."""
    policy.require(Act.ROTATE_MANY_KEYS, user=request.user, team=request.team)
    mine = Integration.objects.visible_to(request.user).of(request.team)
    if "older" in request.POST:
        form = OlderThanForm(request.POST)
        if not form.is_valid():
            messages.error(request, f"Days: {form.errors['days'][0]}")
            return redirect("ssh-key-list")
        found = key_rotation.older_than(days=form.cleaned_data["days"], integrations=mine)
        nothing = f"No SSH key is older than {form.cleaned_data['days']} days."
    else:
        chosen = _ids(request.POST.getlist("only") or request.POST.getlist("key"))
        wanted = mine.filter(ssh_keys__in=chosen, ssh_keys__state=SSHKeyState.CURRENT)
        found = list(wanted.select_related("team", "repository__provider").distinct().order_by("name"))
        nothing = "Select the current keys to rotate first."
    if not found:
        messages.warning(request, nothing)
        return redirect("ssh-key-list")
    batch = key_rotation.rotate_many(integrations=found, actor=request.user, at_most=key_rotation.MOST_AT_ONCE)
    if batch.left_over:
        text = f"Not started: {batch.left_over} more, as {key_rotation.MOST_AT_ONCE} are rotated at once."
        messages.warning(request, f"{text} Rotate again when these are through.")
    for integration, error in batch.refused:
        messages.error(request, f"{integration}: {error}")
    if not batch.operations:
        return redirect("ssh-key-list")
    on_commit_nudge(batch.operations[0].pk)
    return redirect("ssh-key-batch", batch.id)


def _ids(values: list[str]) -> list[UUID]:
    found = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


@require_safe
@page
def batch(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """How far the rotations are that were asked for at once."""
    rows = Operation.objects.visible_to(request.user).of(request.team).filter(batch=pk)
    found = list(rows.select_related("integration").order_by("next_at", "created_at", "target"))
    if not found:
        raise Http404
    counts = {
        "total": len(found),
        "succeeded": sum(each.status == OperationStatus.SUCCEEDED for each in found),
        "failed": sum(each.status in {OperationStatus.FAILED, OperationStatus.CANCELLED} for each in found),
        "active": sum(each.active for each in found),
    }
    tag = live.etag([(each.pk, each.status, each.step, each.problem) for each in found])
    context = {"rows": found, "counts": counts, "tag": tag, "batch": pk}
    if request.htmx:
        return live.region(request, "ssh_keys/batch_region.html", lambda: context, tag=tag, done=not counts["active"])
    return render(request, "ssh_keys/batch.html", context)


def _find(request: PageRequest, pk: UUID) -> SSHKey:
    rows = SSHKey.objects.visible_to(request.user).select_related(
        "integration__team", "integration__aws_account", "integration__repository__provider"
    )
    return find(request, rows, pk=pk)


@require_POST
@page
@confirmed
def rotate(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Rotate the key of one integration (the id is the integration's)."""
    integration = find(
        request, Integration.objects.visible_to(request.user).select_related("team", "repository__provider"), pk=pk
    )
    with errors_as_messages(request):
        operation = key_rotation.rotate(integration=integration, actor=request.user)
        on_commit_nudge(operation.pk)
    return redirect("integration-detail", integration.pk)


@require_POST
@page
def check(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Ask the provider now whether it has the key."""
    key = _find(request, pk)
    with errors_as_messages(request):
        if key_rotation.check(key=key, actor=request.user) == RemoteState.PRESENT:
            messages.success(request, "The provider has this key.")
        else:
            messages.warning(request, key.problem or "The provider does not have this key.")
    return redirect("integration-detail", key.integration.pk)


@require_POST
@page
def repair(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Add the key at the provider again."""
    key = _find(request, pk)
    with errors_as_messages(request):
        if key_rotation.repair(key=key, actor=request.user) == RemoteState.PRESENT:
            messages.success(request, "The provider has the key again.")
        else:
            messages.warning(request, key.problem)
    return redirect("integration-detail", key.integration.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def revoke(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Make a key that leaked worthless, after the name of its integration was typed."""
    key = _find(request, pk)
    integration = key.integration
    policy.require(Act.REVOKE_KEY, user=request.user, team=request.team)

    def act(cleaned: dict[str, Any]) -> str:  # noqa: ARG001
        revoked = key_rotation.revoke(key=key, actor=request.user)
        if revoked.problem:
            messages.warning(request, revoked.problem)
        return reverse("integration-detail", args=[integration.pk])

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=integration.name),
        title=f"Revoke the SSH key of {integration}",
        consequences=[
            f"The key {key.fingerprint} opens {integration.repository} no more, at once.",
            *(_held_up(integration) if key.state == SSHKeyState.CURRENT else ()),
        ],
        button="Revoke key",
        back=reverse("integration-detail", args=[integration.pk]),
        act=act,
        then="ssh-key-list",
        done=f"The SSH key of {integration} is revoked. Rotate it to fetch again.",
    )


def _held_up(integration: Integration) -> list[str]:
    """What does not happen until there is another key."""
    said = ["Every push fails to be fetched until the key is rotated; it can be sent again afterwards."]
    waiting = integration.deliveries.exclude(
        status__in=[status for status in DeliveryStatus if status.finished]
    ).count()
    if waiting:
        pushes = "1 push that is" if waiting == 1 else f"{waiting} pushes that are"
        said.append(f"{pushes} being fetched now may fail.")
    if integration.deployers:
        where = f"{integration.application} in {integration.environment}"
        said.append(f"{where} gets no deployment of {integration.deploy_ref} meanwhile.")
    return said
