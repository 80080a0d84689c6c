"""Pages of integrations."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, Q
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from deployers.models import Artifact, AwsAccount, Deployment
from deployers.nudge import on_commit_freshen, on_commit_nudge
from deployers.services import artifacts as artifact_services
from deployers.services import integration_settings, samples, stacks
from integrations.models import Integration, Repository
from panel.integration_state import IntegrationState, state_of
from panel.web import charts, delivery_list, deployments, integration_detail, paging, parameters, progress, queries
from panel.web.access import PageRequest, find, page
from panel.web.integration_forms import IntegrationForm, kept
from panel.web.outcomes import errors_as_messages, errors_on
from teams import policy
from teams.models import Role
from teams.policy import Act
from teams.services import roles


def _find(request: PageRequest, pk: UUID) -> Integration:
    return find(request, queries.integrations(Integration.objects.visible_to(request.user)), pk=pk)


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = queries.integrations(Integration.objects.visible_to(request.user).of(request.team))
    if text := parameters.text(request, "q"):
        rows = rows.filter(Q(name__icontains=text) | Q(repository__full_name__icontains=text))
    return render(request, "integrations/list.html", {"page": paging.numbered(request, rows), "text": text})


def _provision_button(integration: Integration) -> str:
    """What the button that brings settings to AWS is called now, on the page of the integration."""
    match state_of(integration):
        case IntegrationState.NOT_PROVISIONED if not integration.deployers:
            return "Provision"
        case IntegrationState.NOT_PROVISIONED:
            return "Review and provision"
        case IntegrationState.FAILED:
            return "Try again"
        case _:
            return "Review an update" if integration.deployers else "Update stack"


def _looking(request: PageRequest) -> bool:
    """Whether the lists of AWS are asked for, and nothing is to be saved."""
    return request.method == "POST" and "look" in request.POST


def _form_template(request: PageRequest, whole: str) -> str:
    return "integrations/deployer_fields.html" if request.htmx and _looking(request) else whole


@require_http_methods(["GET", "HEAD", "POST"])
@page
def add(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.EDIT_INTEGRATION, user=request.user, team=request.team)
    repositories = Repository.objects.visible_to(request.user).of(request.team).select_related("provider")
    accounts = AwsAccount.objects.visible_to(request.user).of(request.team)
    form = IntegrationForm(
        request.POST or None,
        repositories=repositories,
        accounts=accounts,
        initial=IntegrationForm.defaults(repositories, accounts, repository=request.GET.get("repository", "")),
        looking=_looking(request),
    )
    if request.method == "POST" and not form.looking and form.is_valid():
        with errors_on(form):
            integration = integration_settings.create(team=request.team, actor=request.user, **form.changes())
            if "provision" in request.POST:
                with errors_as_messages(request):
                    on_commit_nudge(stacks.provision(integration=integration, actor=request.user).pk)
            else:
                messages.success(request, f"{integration} added. Provision it to make its stack.")
            return redirect("integration-detail", integration.pk)
    form.offer_choices()
    return render(
        request,
        _form_template(request, "integrations/add.html"),
        {"form": form, "has_repositories": repositories.exists(), "has_accounts": accounts.exists()},
    )


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    on_commit_freshen(integration)
    existing = list(integration.stacks.all())
    operation = progress.newest_operation(integration.operations.all())
    latest = delivery_list.latest(integration)
    drawn = charts.of(integration)
    history = deployments.latest(integration) if drawn else []
    return render(
        request,
        "integrations/detail.html",
        {
            "tab": "overview",
            "charts": drawn,
            "deployments": history,
            "deployments_tag": deployments.tag(history),
            **progress.context(integration, existing, operation),
            **integration_detail.side(integration, latest[0] if latest else None),
            "tag": progress.tag(operation, existing),
            "rows": latest,
            "rows_tag": delivery_list.tag(latest),
            "samples": samples.samples(integration),
        },
    )


@require_safe
@page
def deliveries(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    on_commit_freshen(integration)
    rows = integration.deliveries.all()
    if request.htmx and "latest" in request.GET:
        return delivery_list.answer(request, delivery_list.latest(integration), show_integration=False)
    context = {"tab": "deliveries", "integration": integration, "show_integration": False}
    return delivery_list.show(request, rows, "integrations/deliveries.html", context)


@require_safe
@page
def artifacts(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    rows = integration.artifacts.prefetch_related(Prefetch("deployments", Deployment.objects.order_by("-created_at")))
    found = paging.by_time(request, rows, field="created_at")
    deploys = bool(integration.deployers) or any(row.deployments.all() for row in found.rows)
    context = {"tab": "artifacts", "integration": integration, "page": found, "deploys": deploys}
    return render(request, "integrations/artifacts.html", context)


@require_safe
@page
def download(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """Send the browser to a short-lived address of exactly this version in the bucket."""
    rows = Artifact.objects.visible_to(request.user).select_related("integration__aws_account", "integration__team")
    artifact = find(request, rows, pk=pk)
    with errors_as_messages(request):
        return redirect(artifact_services.download_url(artifact=artifact, actor=request.user))
    return redirect("integration-artifacts", artifact.integration_id)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: PageRequest, pk: UUID) -> HttpResponseBase:
    integration = _find(request, pk)
    role = roles.role_in(user=request.user, team=integration.team)
    operates = role is not None and role.includes(Role.OPERATOR)
    if request.method == "POST":
        # Checking what was filled in asks AWS already.
        policy.require(Act.EDIT_INTEGRATION, user=request.user, team=integration.team, integration=integration.pk)
    form = IntegrationForm(
        request.POST or None,
        repositories=Repository.objects.visible_to(request.user).of(request.team).select_related("provider"),
        accounts=AwsAccount.objects.visible_to(request.user).of(request.team),
        integration=integration,
        looking=_looking(request),
    )
    if request.method == "POST" and not form.looking and form.is_valid():
        with errors_on(form), kept(form):
            integration_settings.update(
                integration=integration, actor=request.user, expected=request.POST.get("version"), **form.changes()
            )
            messages.success(request, f"Saved. To bring it to AWS, press {_provision_button(integration)}.")
            for stack in integration.stacks.exclude(kind__in=stacks.wanted(integration)):
                messages.warning(request, f"The stack {stack} is still there. Delete it on its page under Stacks.")
            return redirect("integration-detail", integration.pk)
    if operates:
        form.offer_choices()
    template = _form_template(request, "integrations/edit.html")
    return render(request, template, {"tab": "settings", "integration": integration, "form": form})
