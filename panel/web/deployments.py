"""Pages of deployments: history, one deployment, and what people may do with it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.models import Artifact, Deployment, DeploymentStep
from deployers.services import deployments
from deployers.services.deployments.requests import last_good
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration
from panel import deployment_csv
from panel.web import live, paging, parameters, queries
from panel.web.access import PageRequest, find, page
from panel.web.delivery_list import SINCE
from panel.web.outcomes import errors_as_messages
from teams import policy
from teams.policy import Act

LATEST = 6
FILTERS = ("q", "status", "since", "integration", "ref")
INTEGRATIONS_OFFERED = 200


def _filtered(request: PageRequest, rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Only what the query asks for; a value that cannot be is no filter."""
    if (status := request.GET.get("status", "")) in DeploymentStatus.values:
        rows = rows.filter(status=status)
    if since := SINCE.get(request.GET.get("since", "")):
        rows = rows.filter(created_at__gte=timezone.now() - since[1])
    if ref := parameters.text(request, "ref"):
        rows = rows.filter(ref__in=(ref, f"refs/heads/{ref}", f"refs/tags/{ref}"))
    if integration := parameters.text(request, "integration"):
        rows = rows.filter(integration__name=integration)
    if text := parameters.text(request, "q"):
        rows = rows.filter(
            Q(commit__startswith=text.lower())
            | Q(message__icontains=text)
            | Q(author__icontains=text)
            | Q(external_id__iexact=text)
        )
    return rows


def tag(rows: Sequence[Deployment]) -> str:
    return live.etag([(row.pk, row.status, row.commit, row.finished_at) for row in rows])


def latest(integration: Integration) -> list[Deployment]:
    """The few that the overview of an integration shows, newest first."""
    return list(integration.deployments.select_related("requested_by").order_by("-created_at", "-pk")[:LATEST])


def _show(request: PageRequest, rows: QuerySet[Deployment], template: str, context: dict[str, Any]) -> HttpResponseBase:
    if request.htmx and "latest" in request.GET:
        few = list(rows.select_related("requested_by").order_by("-created_at", "-pk")[:LATEST])
        return live.region(request, "deployments/rows.html", lambda: {**context, "rows": few}, tag=tag(few))
    rows = _filtered(request, rows.select_related("integration", "requested_by"))
    if request.GET.get("format") == "csv":
        return deployment_csv.response(rows)
    found = paging.by_time(request, rows, field="created_at")
    narrowed = any(request.GET.get(name) for name in FILTERS)
    context = {**context, "rows": found.rows, "narrowed": narrowed}
    if request.htmx:
        return live.region(request, "deployments/rows.html", lambda: context, tag=tag(found.rows))
    query = request.GET.copy()
    query.pop("before", None)
    query["format"] = "csv"
    return render(
        request,
        template,
        {
            **context,
            "page": found,
            "rows_tag": tag(found.rows),
            "statuses": DeploymentStatus.choices,
            "moments": [(name, label) for name, (label, _) in SINCE.items()],
            "filters": {name: parameters.text(request, name) for name in FILTERS},
            "csv_url": f"?{query.urlencode()}",
        },
    )


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = Deployment.objects.visible_to(request.user).of(request.team)
    names = Integration.objects.visible_to(request.user).of(request.team).values_list("name", flat=True)
    context = {"show_integration": True, "integrations": names[:INTEGRATIONS_OFFERED]}
    return _show(request, rows, "deployments/list.html", context)


@require_safe
@page
def of_integration(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = find(request, queries.integrations(Integration.objects.visible_to(request.user)), pk=pk)
    context = {
        "tab": "deployments",
        "integration": integration,
        "show_integration": False,
        "good": last_good(integration),
    }
    return _show(request, integration.deployments.all(), "integrations/deployments.html", context)


def _find(request: PageRequest, pk: UUID) -> Deployment:
    rows = Deployment.objects.visible_to(request.user).select_related(
        "integration__repository__provider", "stack", "requested_by", "rolls_back", "artifact"
    )
    return find(request, rows, pk=pk)


def _instance(name: str, steps: list[DeploymentStep]) -> tuple[str, list[DeploymentStep], list[str]]:
    """An instance, its steps, and the names of those that never ran."""
    ran = [step for step in steps if step.status != DeploymentStatus.CANCELLED]
    return name, ran, [step.name for step in steps if step.status == DeploymentStatus.CANCELLED]


def _way_back(deployment: Deployment) -> Artifact | None:
    """What to roll back to from a failed deployment; None where a newer deployment followed, or none ran before."""
    if deployment.status != DeploymentStatus.FAILED:
        return None
    newest = deployment.integration.deployments.order_by("-created_at", "-pk").values_list("pk", flat=True).first()
    return last_good(deployment.integration) if newest == deployment.pk else None


def _log_title(step: DeploymentStep) -> str:
    """Of the card with the step's log; no other card of the page has it."""
    where = "" if step.name == step.group else f" on {step.group}"
    return f"Log of {step.name}{where}"


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    deployment = _find(request, pk)
    steps = list(deployment.steps_in_order)

    def context() -> dict[str, Any]:
        return {
            "deployment": deployment,
            "instances": [
                _instance(group, list(found)) for group, found in groupby(steps, key=lambda step: step.group)
            ],
            "logs": [(_log_title(step), step) for step in steps if step.log_tail],
            "rollbacks": list(deployment.rollbacks.all()),
            "redeployable": deployment.artifact_id is not None and deployment.finished,
            "good": _way_back(deployment),
        }

    tag = live.etag(deployment.status, deployment.finished_at, [(step.pk, step.status) for step in steps])
    if request.htmx:
        return live.region(request, "deployments/live.html", context, tag=tag, done=deployment.finished)
    return render(request, "deployments/detail.html", {**context(), "tag": tag})


_STOP_INSTANCES = (
    "Instances that it has not come to keep what they run.",
    "Instances that it is busy with may be left half done, until something is deployed again.",
    "With a rollback, instances that were updated get back what they ran before.",
)
_STOP_AND_ROLL_BACK = ("roll_back", "Stop and roll back", "arrow-back-up")
_STOP_PIPELINE = (
    "An action that is under way, such as a build, comes to its end; those after it do not begin.",
    "The service keeps what it runs, unless the pipeline is updating it already.",
    "An approval that it waits for is not asked for any more.",
)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def stop(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Ask first: things may be left half done."""
    deployment = _find(request, pk)
    pipeline = deployment.deployer == Deployer.ECS
    policy.require(Act.STOP_DEPLOYMENT, user=request.user, team=request.team)
    if request.method == "POST":
        with errors_as_messages(request):
            deployments.stop(deployment=deployment, actor=request.user, roll_back="roll_back" in request.POST)
            messages.success(request, "It stops before its next step.")
        return redirect("deployment-detail", deployment.pk)
    if deployment.finished:
        return redirect("deployment-detail", deployment.pk)
    return render(
        request,
        "deployments/ask.html",
        {
            "integration": deployment.integration,
            "title": f"Stop {deployment.external_id}",
            "consequences": _STOP_PIPELINE if pipeline else _STOP_INSTANCES,
            "buttons": [("", "Stop", "player-stop"), *(() if pipeline else (_STOP_AND_ROLL_BACK,))],
            "back": reverse("deployment-detail", args=[deployment.pk]),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def answer(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Approve or reject a pipeline's run, with a comment."""
    deployment = _find(request, pk)
    policy.require(Act.ANSWER_APPROVAL, user=request.user, team=request.team)
    back = reverse("deployment-detail", args=[deployment.pk])
    if request.method == "POST":
        act = deployments.reject if "reject" in request.POST else deployments.approve
        with errors_as_messages(request):
            act(deployment=deployment, actor=request.user, comment=request.POST.get("comment", "")[:400])
        return redirect(back)
    if deployment.status != DeploymentStatus.WAITING:
        return redirect(back)
    return render(request, "deployments/answer.html", {"deployment": deployment, "back": back})


@require_POST
@page
def retry(request: PageRequest, pk: UUID) -> HttpResponseBase:
    deployment = _find(request, pk)
    with errors_as_messages(request):
        deployments.retry(deployment=deployment, actor=request.user)
        messages.success(request, "The failed stage runs once more.")
    return redirect("deployment-detail", deployment.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def redeploy(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Ask first: it replaces what runs."""
    rows = Artifact.objects.visible_to(request.user).select_related("integration__aws_account", "delivery")
    artifact = find(request, rows, pk=pk)
    integration = artifact.integration
    policy.require(Act.DEPLOY, user=request.user, team=request.team)
    if request.method == "POST":
        with errors_as_messages(request):
            started = deployments.redeploy(artifact=artifact, actor=request.user)
            return redirect("deployment-detail", started.pk)
        return redirect("integration-deployments", integration.pk)
    return render(
        request,
        "deployments/redeploy.html",
        {
            "integration": integration,
            "artifact": artifact,
            "running": latest(integration)[:1],
            "back": reverse("integration-deployments", args=[integration.pk]),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
def roll_back(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Ask first: it replaces what runs."""
    integration = find(request, Integration.objects.visible_to(request.user).select_related("aws_account"), pk=pk)
    policy.require(Act.DEPLOY, user=request.user, team=request.team)
    back = reverse("integration-deployments", args=[integration.pk])
    good = last_good(integration)
    if request.method == "POST":
        with errors_as_messages(request):
            started = deployments.roll_back(integration=integration, actor=request.user)
            return redirect("deployment-detail", started.pk)
        return redirect(back)
    if good is None:
        return redirect(back)
    shown = Truncator(good.message.partition("\n")[0] or good.commit).chars(100)
    return render(
        request,
        "deployments/ask.html",
        {
            "integration": integration,
            "title": f"Roll back to {good.commit[:7]}",
            "consequences": [
                f"“{shown}” of {good.created_at:%-d %b %Y %H:%M} UTC is deployed once more.",
                "The next push to the branch is deployed as usual: revert there what should not come back.",
            ],
            "buttons": [("", "Roll back", "arrow-back-up")],
            "back": back,
        },
    )
